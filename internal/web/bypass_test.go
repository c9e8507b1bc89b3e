package web_test

import (
	"cmp"
	"context"
	"errors"
	"html"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/cli"
	"github.com/margay-access/margay/internal/client"
	"github.com/margay-access/margay/internal/web/webtest"
)

// cli_cannot_bypass: what the rules refuse is refused by the API, the command
// line and the pages alike, in the same words, and changes nothing.
func TestCLICannotBypass(t *testing.T) {
	w := webtest.StartNode(t)
	w.Story()
	ctx := t.Context()
	admin := w.Client(webtest.Admin)
	grants, err := admin.Grants(ctx, client.GrantFilter{}, client.Page{})
	if err != nil || len(grants.Items) != 1 {
		t.Fatal(grants, err)
	}
	requests, err := admin.Requests(ctx, client.RequestFilter{State: "waiting_for_approval"}, client.Page{})
	if err != nil || len(requests.Items) != 1 {
		t.Fatal(requests, err)
	}
	const stranger = "nora@acme.example"
	w.Person(stranger, "Nora")
	grant, request, role := grants.Items[0].ID, requests.Items[0].ID, w.Roles["Explorer"].ID
	bo := w.People[webtest.Approver].ID
	long := wire.For(40 * 24 * time.Hour)
	tooLong := func(more url.Values) url.Values {
		for k, v := range map[string]string{"length": "custom", "length_custom": "40d"} {
			more.Set(k, v)
		}
		return more
	}

	visitors := map[string]*webtest.Visitor{} // one address may sign in 20 times a minute
	for _, who := range []string{webtest.Requester, webtest.Approver, webtest.Admin, stranger} {
		visitors[who] = w.VisitorAs(who)
	}
	for name, act := range map[string]struct {
		who  string
		api  func(c *client.Client) error
		cli  string // what follows "margay"
		page string
		form url.Values
		look string // what the command says instead, which looks at the thing first
	}{
		"approve one's own": {
			who: webtest.Requester, cli: "approval approve " + request, page: "/approvals/" + request + "/approve", form: url.Values{},
			api: func(c *client.Client) error { _, err := c.Approve(ctx, request, wire.Decision{}); return err },
		},
		"deny one's own": {
			who: webtest.Requester, cli: "approval deny " + request + " --reason no", page: "/approvals/" + request + "/deny", form: url.Values{"reason": {"no"}},
			api: func(c *client.Client) error { _, err := c.Deny(ctx, request, wire.Decision{Reason: "no"}); return err },
		},
		"approve as a stranger": {
			who: stranger, cli: "approval approve " + request, page: "/approvals/" + request + "/approve", form: url.Values{},
			api: func(c *client.Client) error { _, err := c.Approve(ctx, request, wire.Decision{}); return err },
		},
		"approve for longer than was asked": {
			who: webtest.Approver, cli: "approval approve " + request + " --for 40d", page: "/approvals/" + request + "/approve", form: tooLong(url.Values{}),
			api: func(c *client.Client) error {
				_, err := c.Approve(ctx, request, wire.Decision{Duration: long})
				return err
			},
		},
		"deny without a reason": {
			who: webtest.Approver, cli: "approval deny " + request, page: "/approvals/" + request + "/deny", form: url.Values{},
			api: func(c *client.Client) error { _, err := c.Deny(ctx, request, wire.Decision{}); return err },
		},
		"ask for longer than the policy": {
			who: webtest.Requester, cli: "request new tableau/Explorer --for 40d --reason x", page: "/roles/" + role + "/ask", form: tooLong(url.Values{"reason": {"x"}}),
			api: func(c *client.Client) error {
				_, err := c.FileRequest(ctx, wire.NewRequest{RoleID: role, Duration: long, Reason: "x"})
				return err
			},
		},
		"ask without a reason": {
			who: webtest.Requester, cli: "request new tableau/Explorer", page: "/roles/" + role + "/ask", form: url.Values{},
			api: func(c *client.Client) error { _, err := c.FileRequest(ctx, wire.NewRequest{RoleID: role}); return err },
		},
		"ask for somebody else": {
			who: webtest.Requester, cli: "request new tableau/Explorer --reason x --person " + webtest.Approver, page: "/roles/" + role + "/ask",
			form: url.Values{"reason": {"x"}, "for": {webtest.Approver}},
			api: func(c *client.Client) error {
				_, err := c.FileRequest(ctx, wire.NewRequest{RoleID: role, Reason: "x", PersonID: bo})
				return err
			},
		},
		"withdraw another's": {
			who: stranger, cli: "request withdraw " + request, page: "/requests/" + request + "/withdraw", form: url.Values{},
			api: func(c *client.Client) error { _, err := c.Withdraw(ctx, request); return err },
		},
		"end another's access": {
			who: stranger, cli: "access revoke " + grant + " --yes", page: "/access/" + grant + "/revoke", form: url.Values{}, look: "There is no grant " + grant,
			api: func(c *client.Client) error { _, err := c.Revoke(ctx, grant, wire.Revocation{}); return err },
		},
		"extend beyond the policy": {
			who: webtest.Requester, cli: "access extend " + grant + " --for 40d --reason x", page: "/access/" + grant + "/extend", form: tooLong(url.Values{"note": {"x"}}),
			api: func(c *client.Client) error {
				_, err := c.ExtendGrant(ctx, grant, wire.Extension{Duration: long, Reason: "x"})
				return err
			},
		},
		"reduce to more": {
			who: webtest.Requester, cli: "access reduce " + grant + " --for 40d", page: "/access/" + grant + "/reduce", form: tooLong(url.Values{}),
			api: func(c *client.Client) error {
				_, err := c.ReduceGrant(ctx, grant, wire.Reduction{Duration: wire.Duration(40 * 24 * time.Hour)})
				return err
			},
		},
		"keep a change that is none": {
			who: webtest.Admin, cli: "access accept " + grant + " --yes", page: "/access/" + grant + "/accept", form: url.Values{},
			api: func(c *client.Client) error { _, err := c.AcceptChange(ctx, grant, wire.Settlement{}); return err },
		},
		"retry what has not failed": {
			who: webtest.Admin, cli: "access retry " + grant, page: "/access/" + grant + "/retry", form: url.Values{},
			api: func(c *client.Client) error { _, err := c.RetryGrant(ctx, grant); return err },
		},
		"cancel a run of one's own access": {
			who: webtest.Requester, cli: "run cancel " + grants.Items[0].RunID, page: "/runs/" + grants.Items[0].RunID + "/cancel", form: url.Values{},
			api: func(c *client.Client) error { _, err := c.CancelRun(ctx, grants.Items[0].RunID); return err },
		},
		"cancel another's run": {
			who: stranger, cli: "run cancel " + grants.Items[0].RunID, page: "/runs/" + grants.Items[0].RunID + "/cancel", form: url.Values{},
			api: func(c *client.Client) error { _, err := c.CancelRun(ctx, grants.Items[0].RunID); return err },
		},
		"cancel what is over": {
			who: webtest.Admin, cli: "run cancel " + grants.Items[0].RunID, page: "/runs/" + grants.Items[0].RunID + "/cancel", form: url.Values{},
			api: func(c *client.Client) error { _, err := c.CancelRun(ctx, grants.Items[0].RunID); return err },
		},
		"disable the last administrator": {
			who: webtest.Admin, cli: "person disable " + webtest.Admin + " --yes", page: "/people/" + w.People[webtest.Admin].ID + "/disable", form: url.Values{},
			api: func(c *client.Client) error {
				_, err := c.DisablePerson(ctx, w.People[webtest.Admin].ID, wire.Disabling{}, false)
				return err
			},
		},
	} {
		f, refused := errors.AsType[*client.Error](act.api(w.Client(act.who)))
		if !refused {
			t.Errorf("%s: the API does it", name)
			continue
		}
		if code, told := commandAs(t, w, act.who, act.cli); code == 0 || !strings.Contains(told, cmp.Or(act.look, f.Problem.Detail)) {
			t.Errorf("%s: the command line says (%d) %q, the API %q", name, code, told, f.Problem.Detail)
		}
		p := visitors[act.who].Post(act.page, act.form)
		if p.Status < http.StatusBadRequest || !strings.Contains(html.UnescapeString(p.Body), f.Problem.Detail) {
			t.Errorf("%s: the page says %d, the API %q", name, p.Status, f.Problem.Detail)
		}
		if !strings.Contains(p.Body, "<main") { // a page that leads on, not a bare text
			t.Errorf("%s: the answer is %q", name, p.Body)
		}
	}

	// What only administrators do has no page for others.
	for page, act := range map[string]string{
		"/people/" + bo + "/disable":    "person disable " + webtest.Approver + " --yes",
		"/people/" + bo + "/revoke-all": "access revoke --person " + webtest.Approver + " --yes",
		"/apps/" + w.App.ID + "/roles":  "role add tableau --all",
		"/policies/" + w.Policy.ID:      "policy edit Bo agrees --self-approval",
	} {
		if code, told := commandAs(t, w, webtest.Requester, act); code == 0 {
			t.Errorf("margay %s by somebody: %s", act, told)
		}
		if p := visitors[webtest.Requester].Post(page, url.Values{}); p.Status != http.StatusForbidden && p.Status != http.StatusNotFound {
			t.Errorf("%s by somebody: %d", page, p.Status)
		}
	}
	after, err := admin.Grant(ctx, grant)
	if err != nil || after.State != grants.Items[0].State || after.EndsAt == nil || !after.EndsAt.Equal(*grants.Items[0].EndsAt) {
		t.Errorf("the grant was %+v, is %+v, %v", grants.Items[0], after, err)
	}
	if r, err := admin.Request(ctx, request); err != nil || r.State != "waiting_for_approval" {
		t.Errorf("the request is %s, %v", r.State, err)
	}
	if all, err := admin.Requests(ctx, client.RequestFilter{}, client.Page{}); err != nil || len(all.Items) != 2 {
		t.Errorf("%d requests, %v", len(all.Items), err)
	}
}

// commandAs runs the command line as somebody and returns its exit code and what
// it wrote.
func commandAs(t *testing.T, w *webtest.World, who, line string) (int, string) {
	t.Helper()
	token, err := w.Server.IssueToken(context.WithoutCancel(t.Context()), who, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("MARGAY_TOKEN", token)
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	nothing, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer nothing.Close()
	var told strings.Builder
	code := cli.Main(cli.Process{Args: append([]string{"--url", w.URL}, strings.Fields(line)...), In: nothing, Out: out, Err: &told})
	text, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	return code, told.String() + string(text)
}
