package api_test

import (
	"net/http"
	"strings"
	"testing"
)

// Two people edit an app, a role, a policy or a profile at once: 409 that says
// who, when and what, by the version in the body or by If-Match. An edit that
// names none changes only what it gives.
func editConflicts(t *testing.T, n *node) {
	for _, path := range []string{"/api/v1/apps/" + n.app + "/provisioning", "/api/v1/apps/" + n.app + "/roles/" + n.role + "/provisioning"} {
		howConflicts(n, path)
	}
	for path, edit := range map[string]struct{ first, second, told, kept string }{
		"/apps/" + n.app:                      {`{"on_revoke":"unlicensed"}`, `{"name":"BI"}`, "Name: “Tableau” is stored now; you have “BI”.", `"on_revoke":"unlicensed"`},
		"/apps/" + n.app + "/roles/" + n.role: {`{"requestable":false}`, `{"description":"Builds"}`, "What it gives: nothing is stored now; you have “Builds”.", `"requestable":false`},
		"/policies/" + n.policy:               {`{"waits":"1h"}`, `{"reason_needed":true}`, "stored now.", `"waits":"PT1H"`},
		"/profiles/" + n.profile:              {`{"whom_to_ask":"Ask Ana."}`, `{"name":"Other"}`, "is stored now; you have “Other”.", `"whom_to_ask":"Ask Ana."`},
	} {
		path = "/api/v1" + path
		tag := n.send(n.admin, "GET", path, "").header.Get("ETag")
		saved := n.send(n.admin, "PATCH", path, edit.first, "If-Match", tag)
		if saved.status != ok || tag == "" || saved.header.Get("ETag") == tag {
			t.Fatalf("%s: %d %s, ETag %s", path, saved.status, saved.body, tag)
		}
		versioned := strings.TrimSuffix(edit.second, "}") + `,"version":` + strings.Trim(tag, `"`) + "}"
		for what, a := range map[string]answer{
			"If-Match": n.send(n.admin, "PATCH", path, edit.second, "If-Match", tag),
			"version":  n.send(n.admin, "PATCH", path, versioned),
		} {
			p := a.problem(t)
			if a.status != conflict || p.Code != "conflict" || !strings.HasPrefix(p.Detail, "You saved this ") || len(p.Errors) != 1 ||
				!strings.HasSuffix(p.Errors[0].Detail, edit.told) {
				t.Errorf("%s by %s: %d %s", path, what, a.status, a.body)
			}
		}
		if a := n.send(n.admin, "PATCH", path, edit.second, "If-Match", "abc"); a.status != http.StatusUnprocessableEntity {
			t.Errorf("%s: a tag that is none: %d", path, a.status)
		}
		if a := n.send(n.admin, "PATCH", path, edit.second); a.status != ok || !strings.Contains(string(a.body), edit.kept) {
			t.Errorf("%s without a version: %d %s", path, a.status, a.body)
		}
	}
}

// Two people say at once how access is carried out, which is a part of the app or
// the role.
func howConflicts(n *node, path string) {
	t := n.t
	before := n.send(n.admin, "GET", path, "")
	tag := before.header.Get("ETag")
	manual := `"method":"manual","people_ids":["` + n.ritaID + `"]`
	saved := n.send(n.admin, "PUT", path, "{"+manual+"}", "If-Match", tag)
	if saved.status != ok || tag == "" || saved.header.Get("ETag") == tag || !strings.Contains(string(saved.body), `"saved_by_id":"usr_`) {
		t.Fatalf("%s: %d %s, ETag %s", path, saved.status, saved.body, tag)
	}
	for what, a := range map[string]answer{
		"If-Match": n.send(n.admin, "PUT", path, `{"method":"workflows"}`, "If-Match", tag),
		"version":  n.send(n.admin, "PUT", path, `{"method":"workflows","version":`+strings.Trim(tag, `"`)+`}`),
	} {
		p := a.problem(t)
		if a.status != conflict || p.Code != "conflict" || !strings.HasPrefix(p.Detail, "You saved this ") || len(p.Errors) != 2 ||
			p.Errors[0].Detail != "How it is carried out: “by hand” is stored now; you have “by workflows”." {
			t.Errorf("%s by %s: %d %s", path, what, a.status, a.body)
		}
	}
	if a := n.send(n.admin, "PUT", path, `{"method":"workflows"}`, "If-Match", "abc"); a.status != http.StatusUnprocessableEntity {
		t.Errorf("%s: a tag that is none: %d", path, a.status)
	}
	if now := n.send(n.admin, "GET", path, ""); string(now.body) != string(saved.body) || now.header.Get("ETag") != saved.header.Get("ETag") {
		t.Errorf("%s: %s was answered and %s is kept", path, saved.body, now.body)
	}
	if a := n.send(n.admin, "PUT", path, `{"method":"workflows"}`); a.status != ok {
		t.Errorf("%s without a version: %d %s", path, a.status, a.body)
	}
}
