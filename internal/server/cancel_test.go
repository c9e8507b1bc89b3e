package server_test

import (
	"net/http"
	"sync"
	"testing"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/tableau/tableautest"
)

// A run that is cancelled ends between two steps, its grant says so, and a
// retry carries it out after all.
func TestRunCancelled(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, u *setup) {
		ann := u.site.AddUser("ann@acme.example", "Viewer")
		p := call[wire.Person](u.node, "POST", "/people", wire.NewPerson{Email: "ann@acme.example"})
		request := u.request(p.ID, "Creator", false)
		reached, release := make(chan struct{}, 1), make(chan struct{})
		u.site.Fail(tableautest.Fault{Operation: "get-users-on-site", Before: func() { reached <- struct{}{}; <-release }})
		grant := call[wire.Request](u.as("bo@acme.example"), "POST", "/requests/"+request.ID+"/approve", wire.Decision{}).GrantID
		<-reached
		id := call[wire.Grant](u.node, "GET", "/grants/"+grant, nil).RunID

		r := call[wire.Run](u.node, "POST", "/runs/"+id+"/cancel", nil) // the call that is under way ends with the run
		close(release)

		if r.State != "cancelled" || r.CancelledBy == "" || r.EndedAt == nil || ann.Role() != "Viewer" {
			t.Fatalf("%+v, the role is %s", r, ann.Role())
		}
		if g := call[wire.Grant](u.node, "GET", "/grants/"+grant, nil); g.State != "not_set_up" || g.Problem == nil || g.Problem.Code != "cancelled" {
			t.Errorf("the grant is %+v", g)
		}
		again := call[wire.Run](u.node, "POST", "/runs/"+id+"/retry", nil)
		if again.RetryOf != id {
			t.Errorf("the retry is one of %q", again.RetryOf)
		}
		u.grantIn(grant, "active")
		if ann.Role() != "Creator" {
			t.Errorf("the role is %s", ann.Role())
		}

		// An owner of the app keeps no access of their own by cancelling its end.
		call[wire.App](u.node, "PATCH", "/apps/"+u.app.ID, wire.ChangedApp{OwnerIDs: &[]string{p.ID}})
		stay := make(chan struct{})
		answer := sync.OnceFunc(func() { close(stay) })
		t.Cleanup(answer) // also when the test has ended before
		u.site.Fail(tableautest.Fault{Operation: "update-user", Before: func() { reached <- struct{}{}; <-stay }})
		end := call[wire.Grant](u.node, "POST", "/grants/"+grant+"/revoke", wire.Revocation{Reason: "over"}).RunID
		<-reached
		owner := u.as("ann@acme.example")
		refusal := owner.refused("POST", "/runs/"+end+"/cancel", nil, http.StatusForbidden)
		several := call[wire.Batch](owner, "POST", "/batches", wire.NewBatch{Act: "cancel_run", IDs: []string{end}})
		rows := call[wire.List[wire.BatchRow]](owner, "GET", "/batches/"+several.ID+"/rows", nil).Items
		answer()
		if refusal.Code != "own_access" || several.Counts.LeftOut != 1 || several.Counts.Ready != 0 || rows[0].Problem == nil || rows[0].Problem.Message != refusal.Detail {
			t.Errorf("its owner is told %+v, and of several %+v", refusal, rows)
		}
		u.grantIn(grant, "ended")
	})
}

// A run that is cancelled while its change is on its way waits for it, and then
// says what is true: the role was set and read back, the access is there.
func TestRunCancelledWhileItChanges(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, u *setup) {
		ann := u.site.AddUser("ann@acme.example", "Viewer")
		p := call[wire.Person](u.node, "POST", "/people", wire.NewPerson{Email: "ann@acme.example"})
		request := u.request(p.ID, "Creator", false)
		reached, release := make(chan struct{}), make(chan struct{})
		u.site.Fail(tableautest.Fault{Operation: "update-user", Before: func() { close(reached); <-release }})
		grant := call[wire.Request](u.as("bo@acme.example"), "POST", "/requests/"+request.ID+"/approve", wire.Decision{}).GrantID
		<-reached
		id := call[wire.Grant](u.node, "GET", "/grants/"+grant, nil).RunID
		cancelled := make(chan wire.Run, 1)
		go func() { cancelled <- call[wire.Run](u.node, "POST", "/runs/"+id+"/cancel", nil) }()
		for len(call[wire.List[wire.Event]](u.node, "GET", "/audit?kind=run.cancelled&limit=10", nil).Items) == 0 {
			continue // until the cancel is on its way
		}
		close(release)

		r := <-cancelled

		if r.State != "done" || r.CancelledBy != "" || len(r.Output) == 0 || ann.Role() != "Creator" {
			t.Errorf("%s, by %q, the role is %s, it returned %s", r.State, r.CancelledBy, ann.Role(), r.Output)
		}
		if g := u.grantIn(grant, "active"); g.Problem != nil {
			t.Errorf("the grant is %+v", g)
		}
	})
}
