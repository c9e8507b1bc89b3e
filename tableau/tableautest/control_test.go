package tableautest_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/margay-access/margay/tableau/tableautest"
)

func TestControl(t *testing.T) {
	t.Parallel()
	s, _ := newSite(t, tableautest.Config{Control: true})
	c := signedIn(t, s)
	sim := func(method, path, body string, status int) reply {
		t.Helper()
		r := c.do(method, "/_sim/"+path, body)
		if r.Code != status {
			t.Fatalf("%s %s: %d %s", method, path, r.Code, r.Body)
		}
		return r
	}

	var ann struct{ ID, Role, Name string }
	sim("POST", "users", `{"name":"ann@acme.example","role":"Viewer"}`, 201).decode(&ann)
	sim("PATCH", "users/ann@acme.example", `{"role":"Explorer"}`, 200).decode(&ann)
	if ann.Role != "Explorer" {
		t.Errorf("patched %+v", ann)
	}
	put := func() reply { return c.do(http.MethodPut, c.path("users/"+ann.ID), `{"user":{"siteRole":"Creator"}}`) }

	sim("POST", "faults", `{"name":"late","operation":"update-user","code":"500000","apply":true,"delay":"1ms"}`, 201)
	put().want(500, "500000")
	sim("POST", "faults", `[{"method":"PUT","changes":[{"when":"after","user":"ann@acme.example","role":"Viewer"}]}]`, 201)
	put().want(200, "")
	sim("GET", "users/"+ann.ID, "", 200).decode(&ann)
	if ann.Role != "Viewer" {
		t.Errorf("the change after the call is not there: %+v", ann)
	}
	if got := sim("GET", "faults", "", 200).Body.String(); !strings.Contains(got, `"hits": 1`) || !strings.Contains(got, `"spent": true`) {
		t.Errorf("faults: %s", got)
	}
	sim("DELETE", "faults", "", 204)

	sim("PUT", "seats", `{"creator":1}`, 200)
	put().want(409, "409014")
	sim("PUT", "limits", `[{"operations":["update-user"],"count":1,"per":"1m"}]`, 204)
	put().want(409, "409014")
	put().want(429, "429000")
	sim("PUT", "limits", `[]`, 204)
	sim("PUT", "maintenance", `{"on":true}`, 200)
	if put().Code != 503 {
		t.Error("no maintenance")
	}
	sim("PUT", "maintenance", `{"on":false}`, 200)
	sim("POST", "users/ann@acme.example/sign-in", "", 200)
	sim("POST", "pats", `{"owner":"ann@acme.example","name":"annpat","secret":"abc"}`, 201)
	(&client{t: t, h: s, api: c.api}).signIn("annpat", "abc", s.ContentURL())
	sim("DELETE", "sessions?pat=annpat", "", 204)
	sim("DELETE", "pats/annpat", "", 204)
	(&client{t: t, h: s, api: c.api}).trySignIn("annpat", "abc", s.ContentURL()).want(401, "401001")
	sim("POST", "clock", `{"advance":"3h"}`, 200)
	put().want(401, "401002")
	sim("DELETE", "users/ann@acme.example", "", 204)
	sim("GET", "users/ann@acme.example", "", 404)
	sim("GET", "state?site=nowhere", "", 404)
	for path, body := range map[string]string{
		"faults": `{"nonsense":1}`, "clock": `{"advance":"x"}`, "users": `{}`, "pats": `{"owner":"boss@acme.example"}`,
	} {
		sim("POST", path, body, 400)
	}
	for _, nothing := range []string{`{}`, `[]`, `{"operation":"update-user","times":2,"apply":true}`, `[{"code":"500000"},{"delay":""}]`} {
		if got := sim("POST", "faults", nothing, 400).Body.String(); !strings.Contains(got, "a fault says what it does") || !strings.Contains(got, "hang") {
			t.Errorf("%s: %s", nothing, got)
		}
	}
	if got := sim("GET", "faults", "", 200).Body.String(); strings.Contains(got, "update-user") {
		t.Errorf("a fault that was refused is set: %s", got)
	}

	var journal struct{ Entries []tableautest.Entry }
	sim("GET", "journal?since=1", "", 200).decode(&journal)
	if len(journal.Entries) != len(s.Journal())-1 || journal.Entries[0].Seq != 2 {
		t.Errorf("%d entries from %d", len(journal.Entries), journal.Entries[0].Seq)
	}
	var routes []tableautest.Route
	sim("GET", "routes", "", 200).decode(&routes)
	if len(routes) != 499 {
		t.Errorf("%d routes, want 499", len(routes))
	}

	quiet, _ := newSite(t, tableautest.Config{})
	if r := signedIn(t, quiet).do(http.MethodGet, "/_sim/state", ""); r.Code != http.StatusNotFound {
		t.Errorf("control without being asked for: %d", r.Code)
	}
}

// lockedBuffer is written by the simulator and read by the test.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestSimulate(t *testing.T) {
	t.Parallel()
	for _, product := range []tableautest.Product{tableautest.ProductCloud, tableautest.ProductServer} {
		t.Run(string(product), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			ca := filepath.Join(t.TempDir(), "ca.pem")
			ready, done := make(chan *tableautest.Server, 1), make(chan error, 1)
			var out lockedBuffer
			go func() {
				done <- tableautest.Simulate(ctx, tableautest.Options{
					Config: tableautest.Config{Product: product, Listen: "127.0.0.1:0"}, CAOut: ca, Users: 25,
					Ready: func(s *tableautest.Server) { ready <- s },
				}, &out)
			}()
			srv := <-ready

			pem, err := os.ReadFile(ca)
			if err != nil || !bytes.Equal(pem, srv.CAPEM()) {
				t.Errorf("the certificate is not in its file: %v", err)
			}
			for _, part := range []string{srv.URL, tableautest.SimulatedPATName, tableautest.SimulatedPATSecret, tableautest.SimulatedViewerPATSecret, "33 users"} {
				if !strings.Contains(out.String(), part) {
					t.Errorf("%s is missing in %s", part, out.String())
				}
			}
			c := &client{t: t, h: srv, api: "/api/3.24"}
			c.signIn(tableautest.SimulatedPATName, tableautest.SimulatedPATSecret, srv.ContentURL())
			c.get("users").want(http.StatusOK, "")
			if got := c.do(http.MethodGet, "/api/-/collections", ""); got.Code != http.StatusOK || !strings.Contains(got.Body.String(), "Month End") {
				t.Errorf("collections: %d %s", got.Code, got.Body)
			}
			resp, err := srv.Client().Do(c.request(t.Context(), srv, http.MethodGet, "/_sim/state", ""))
			if err != nil {
				t.Fatal(err)
			}
			state, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if !strings.Contains(string(state), `"users": 33`) {
				t.Errorf("state: %s", state)
			}

			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSimulateSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for word, cfg := range map[string]tableautest.Config{
		"nowhere": {Listen: "nowhere"}, "desktop": {Product: "desktop"}, "three": {MaxVersion: "three"}, "2.2": {MaxVersion: "2.2"},
	} {
		err := tableautest.Simulate(t.Context(), tableautest.Options{Config: cfg}, io.Discard)
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: error %v", word, err)
		}
	}
}

// TestSwitches sets every switch to every value that it has, over the control
// API, and sees two of them at work.
func TestSwitches(t *testing.T) {
	// ref: "9. Suggested simulator switches"
	t.Parallel()
	w := newWorld(t, tableautest.Config{Control: true})
	c := signedIn(t, w.site)
	type list []tableautest.Switch
	values := func() map[string]string {
		var l list
		(&client{t: t, h: w.site}).do(http.MethodGet, "/_sim/switches", "").want(http.StatusOK, "").decode(&l)
		m := map[string]string{}
		for _, s := range l {
			m[s.Name] = s.Value
		}
		return m
	}
	patch := func(body string) reply {
		return (&client{t: t, h: w.site}).do(http.MethodPatch, "/_sim/switches", body)
	}
	began := values()

	for _, s := range w.site.Switches() {
		if s.Value != s.Began || s.About == "" {
			t.Errorf("%+v", s)
		}
		for _, v := range s.Values {
			patch(`{"`+s.Name+`":"`+v+`"}`).want(http.StatusOK, "")
			if got := values()[s.Name]; got != v {
				t.Errorf("%s is %q, want %q", s.Name, got, v)
			}
		}
	}
	for name, v := range map[string]string{"total_skew": "3", "delay": `"1ms"`, "job_time": `"2m0s"`, "seat_borrowing": "true"} {
		patch(`{"`+name+`":`+v+`}`).want(http.StatusOK, "")
		if got := values()[name]; got != strings.Trim(v, `"`) {
			t.Errorf("%s is %q, want %s", name, got, v)
		}
	}
	(&client{t: t, h: w.site}).do(http.MethodDelete, "/_sim/switches", "").want(http.StatusOK, "")
	if diff := cmp.Diff(began, values()); diff != "" {
		t.Errorf("after the reset: %s", diff)
	}

	full(w)
	c.do(http.MethodPut, c.path("users/"+w.ann.ID()), `{"user":{"siteRole":"Creator"}}`).want(http.StatusConflict, "409014")
	patch(`{"no_license":"silent-unlicensed"}`).want(http.StatusOK, "")
	c.do(http.MethodPut, c.path("users/"+w.ann.ID()), `{"user":{"siteRole":"Creator"}}`).want(http.StatusOK, "")
	wantRole(t, w.ann, tableautest.RoleUnlicensed)
	c.get("users?pageNumber=9").want(http.StatusBadRequest, "400006")
	patch(`{"page_past_end":"ignore","json_numbers":"numbers"}`).want(http.StatusOK, "")
	if got := c.get("users?pageNumber=9").want(http.StatusOK, "").Body.String(); !strings.Contains(got, `"pageNumber":9`) {
		t.Errorf("the page is %s", got)
	}

	for _, bad := range []string{`{}`, `{"weather":"fine"}`, `{"no_license":"maybe"}`, `{"total_skew":"many"}`, `{"delay":"soon"}`, `{"seat_borrowing":"perhaps"}`, `[]`} {
		if r := patch(bad); r.Code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", bad, r.Code, r.Body)
		}
	}
	if values()["no_license"] != "silent-unlicensed" {
		t.Error("a refused change has changed something")
	}
}

// TestSwitchesFromTheStart are what the program is told when it starts.
func TestSwitchesFromTheStart(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	o := tableautest.Options{
		Config: tableautest.Config{Listen: "127.0.0.1:0"}, Switches: map[string]string{"user_exists_code": "409000"},
		Ready: func(s *tableautest.Server) {
			for _, sw := range s.Switches() {
				if sw.Name == "user_exists_code" && (sw.Value != "409000" || sw.Began != "409000") {
					t.Errorf("%+v", sw)
				}
			}
			stop()
		},
	}
	if err := tableautest.Simulate(ctx, o, io.Discard); err != nil {
		t.Error(err)
	}
	if err := tableautest.CheckSwitches(map[string]string{"weather": "fine"}); err == nil {
		t.Error("there is no such switch")
	}
}

func TestSwitchesAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/simulator.md")
	if err != nil {
		t.Fatal(err)
	}
	s, _ := newSite(t, tableautest.Config{})
	for _, sw := range s.Switches() {
		row := "| `" + sw.Name + "` | "
		if len(sw.Values) > 0 {
			row += "`" + sw.Value + "`" // the default first
		}
		if !strings.Contains(string(page), row) || !strings.Contains(string(page), " | "+sw.About+" |") {
			t.Errorf("docs/simulator.md has no row %q about %q", row, sw.About)
		}
	}
}
