package tableau_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/margay-access/margay/internal/integration"
	"github.com/margay-access/margay/internal/integration/tableau"
	"github.com/margay-access/margay/tableau/tableautest"
)

const patSecret = "Y2hlY2tzLXRlc3Q=:0a1b2c3d4e5f60718293a4b5"

// site is a simulated site with an administrator's PAT.
type site struct {
	*tableautest.Server
	pat      *tableautest.PAT
	settings integration.Settings
}

func newSite(t *testing.T, cfg tableautest.Config, role string) *site {
	t.Helper()
	if cfg.Collections == "" {
		cfg.Collections = tableautest.On
	}
	srv, err := tableautest.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Close)
	pat := srv.AddPAT(srv.AddUser("svc@acme.example", role), "margay", patSecret)
	return &site{Server: srv, pat: pat, settings: integration.Settings{
		"server_url": srv.Host, "site_content_url": srv.ContentURL(), "pat_name": "margay", "pat_secret": patSecret,
	}}
}

func (s *site) open(t *testing.T) integration.Client {
	t.Helper()
	c, err := tableau.New().Open(s.settings, integration.Env{RootCAs: s.CertPool()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	return c
}

// run runs the checks one after another, or all at once on one exchange.
func (s *site) run(t *testing.T, together bool) []integration.CheckResult {
	t.Helper()
	c := s.open(t)
	checks := tableau.New().Checks
	results := make([]integration.CheckResult, len(checks))
	if !together {
		for i, check := range checks {
			results[i] = check.Run(t.Context(), c, s.settings)
		}
		return results
	}
	defer c.Hold(t.Context())()
	var wg sync.WaitGroup
	for i, check := range checks {
		wg.Go(func() { results[i] = check.Run(t.Context(), c, s.settings) })
	}
	wg.Wait()
	return results
}

// The sentences, byte for byte.
const (
	apiPass     = "Successfully connected to Tableau API"                                                                                                                                    // S57
	sitePass    = `Successfully accessed Tableau site "acme-analytics"`                                                                                                                      // S58
	defaultPass = "Successfully accessed the default Tableau site"                                                                                                                           // S59
	contentPass = "Successfully accessed Tableau content"                                                                                                                                    // S60
	usersPass   = "PAT can list site users (1 total)."                                                                                                                                       // S61
	usersSome   = "PAT can list site users."                                                                                                                                                 // S62
	apiFail     = "Unable to connect to Tableau API. Please verify your credentials are valid and the server URL is correct."                                                                // S63
	siteFail    = "Failed to access the configured Tableau site. Please verify your site content URL and that the PAT has access to it."                                                     // S64
	contentFail = "Failed to access Tableau content. Please verify your token has read permissions."                                                                                         // S65
	usersDenied = "The configured PAT does not have permission to manage site users. Recreate the PAT under a site or server administrator account if user-management workflows are needed." // S66
	usersFail   = "Failed to list Tableau site users while checking user-management scope."                                                                                                  // S67
	usersNoSite = "Could not look up the current Tableau site before checking user-management scope. Verify the Session & Site check passes first."                                          // S55, S70
)

// S47–S52: four checks, in this order.
func TestCheckNames(t *testing.T) {
	t.Parallel()
	var names []string
	for _, c := range tableau.New().Checks {
		names = append(names, c.Name)
	}
	want := []string{
		"Validate Tableau API Connection",     // S47
		"Check Tableau Session & Site",        // S48
		"Check Tableau Content Access",        // S49
		"Check Tableau User Management Scope", // S50
	}
	if d := cmp.Diff(want, names); d != "" { // S51, S52
		t.Error(d)
	}
}

// S54–S72: each check for each reason, and the others as they are.
func TestChecks(t *testing.T) {
	t.Parallel()
	signIn := tableautest.Fault{Operation: "sign-in", Times: -1}
	session := tableautest.Fault{Path: "/api/3.24/sessions/current", Times: -1}
	info := tableautest.Fault{Path: "/api/3.24/serverinfo", Times: -1}
	collections := tableautest.Fault{Path: "/api/-/collections", Times: -1}
	users := tableautest.Fault{Method: http.MethodGet, Path: "/api/3.24/sites/*/users", Times: -1}
	with := func(f tableautest.Fault, change func(*tableautest.Fault)) tableautest.Fault { change(&f); return f }
	status := func(f tableautest.Fault, status int, code string) tableautest.Fault {
		return with(f, func(f *tableautest.Fault) { f.Status, f.Code, f.Summary, f.Detail = status, code, "Summary", "Detail" })
	}
	none := [4]string{}
	tests := map[string]struct {
		spoil  func(s *site)
		fault  tableautest.Fault
		failed [4]string // the sentence of each check that fails; "": it passes
		detail string    // the failing check shows this of the cause
	}{
		"all well":                  {failed: none},
		"collections 403":           {fault: status(collections, 403, "403004"), failed: [4]string{2: contentFail}, detail: "Detail"},
		"collections 401":           {fault: status(collections, 401, "401003"), failed: [4]string{2: contentFail}},
		"collections 404":           {fault: status(collections, 404, ""), failed: [4]string{2: contentFail}},
		"collections no JSON":       {fault: with(collections, func(f *tableautest.Fault) { f.Body = "[" }), failed: [4]string{2: contentFail}},
		"users 403":                 {fault: status(users, 403, "403004"), failed: [4]string{3: usersDenied}, detail: "Detail"},                   // S66, S68
		"users 403 without a code":  {fault: status(users, 403, ""), failed: [4]string{3: usersDenied}},                                           // S66
		"users 401, other code":     {fault: status(users, 401, "401003"), failed: [4]string{3: usersDenied}},                                     // S66, decision 5
		"users 401002 for ever":     {fault: with(users, func(f *tableautest.Fault) { f.Code = "401002" }), failed: [4]string{3: usersFail}},      // S67
		"users 400":                 {fault: status(users, 400, "400006"), failed: [4]string{3: usersFail}},                                       // S67
		"users 404":                 {fault: status(users, 404, "404000"), failed: [4]string{3: usersFail}},                                       // S67
		"users no JSON":             {fault: with(users, func(f *tableautest.Fault) { f.Body = "{\"users\":" }), failed: [4]string{3: usersFail}}, // S67, S69
		"users HTML":                {fault: with(users, func(f *tableautest.Fault) { f.HTML, f.Status = true, 200 }), failed: [4]string{3: usersFail}},
		"users without a total":     {fault: with(users, func(f *tableautest.Fault) { f.Body = `{"users":{"user":[]}}` }), failed: none},       // S62
		"session 404":               {fault: status(session, 404, "404000"), failed: [4]string{1: siteFail, 3: usersNoSite}, detail: "Detail"}, // S55, S64, S70
		"session 403":               {fault: status(session, 403, "403004"), failed: [4]string{1: siteFail, 3: usersNoSite}},
		"session names other site":  {fault: with(session, func(f *tableautest.Fault) { f.Body = `{"session":{"site":{"id":"other"},"user":{"id":"u"}}}` }), failed: [4]string{1: siteFail, 3: usersNoSite}},
		"server info refused":       {fault: status(info, 403, "403004"), failed: [4]string{0: apiFail}}, // S63
		"server info is no Tableau": {fault: with(info, func(f *tableautest.Fault) { f.Body = `{"hello":1}` }), failed: [4]string{0: apiFail}},
		"PAT revoked": {
			spoil: func(s *site) { s.pat.Revoke() }, failed: [4]string{apiFail, siteFail, contentFail, usersNoSite},
			detail: "Tableau sign-in failed (HTTP 401, Signin Error): The personal access token you provided is invalid.", // S73
		},
		"wrong site": { // S64, S81
			spoil: func(s *site) { s.settings["site_content_url"] = "elsewhere" }, failed: [4]string{apiFail, siteFail, contentFail, usersNoSite},
			detail: "Tableau sign-in failed (HTTP 401, ",
		},
		"older server": { // S74, S80
			spoil: func(s *site) { s.Fail(with(signIn, func(f *tableautest.Fault) { f.Code, f.Times = "404001", -1 })) }, failed: [4]string{apiFail, siteFail, contentFail, usersNoSite},
			detail: "Tableau sign-in failed (HTTP 404, ",
		},
		"sign-in 400": {
			fault: status(signIn, 400, "400003"), failed: [4]string{apiFail, siteFail, contentFail, usersNoSite}, detail: "Tableau sign-in failed (HTTP 400, Summary): Detail",
		},
		"another host": { // S78
			fault:  with(signIn, func(f *tableautest.Fault) { f.Body, f.ContentType = "<html><p>Log in</p></html>", "text/html" }),
			failed: [4]string{apiFail, siteFail, contentFail, usersNoSite}, detail: "Tableau sign-in failed (HTTP 200): <html><p>Log in</p></html>",
		},
		"no token": { // S76
			fault: with(signIn, func(f *tableautest.Fault) { f.Body = `{"credentials":{}}` }), failed: [4]string{apiFail, siteFail, contentFail, usersNoSite},
			detail: "Tableau sign-in succeeded but returned no session token",
		},
	}
	for name, tt := range tests {
		for _, together := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/together=%v", name, together), func(t *testing.T) {
				t.Parallel()
				s := newSite(t, tableautest.Config{}, tableautest.RoleSiteAdministratorCreator)
				if tt.spoil != nil {
					tt.spoil(s)
				}
				if tt.fault.Path != "" || tt.fault.Operation != "" {
					s.Fail(tt.fault)
				}

				results := s.run(t, together)

				want := [4]string{apiPass, sitePass, contentPass, usersPass}
				if name == "users without a total" {
					want[3] = usersSome
				}
				for i, sentence := range tt.failed {
					if sentence != "" {
						want[i] = sentence
					}
				}
				for i, r := range results {
					failed := tt.failed[i] != ""
					if r.Message != want[i] || r.Pass == failed {
						t.Errorf("check %d: pass %v, %q (%s), want %q", i+1, r.Pass, r.Message, r.Detail, want[i])
					}
					if failed && (r.Hint == "" || r.Detail == "" || !strings.Contains(r.Detail, tt.detail)) {
						t.Errorf("check %d: hint %q, detail %q, want %q in it", i+1, r.Hint, r.Detail, tt.detail)
					}
					if strings.Contains(r.Detail+r.Hint, patSecret) {
						t.Errorf("check %d shows the secret", i+1)
					}
				}
				if tt.failed[3] == usersNoSite && results[3].Hint != "Fix Check Tableau Session & Site first." { // S71
					t.Errorf("hint %q", results[3].Hint)
				}
				s.onlyRead(t)
			})
		}
	}
}

// onlyRead fails when anything but reads, sign-in and sign-out was sent. S56.
func (s *site) onlyRead(t *testing.T) {
	t.Helper()
	for _, e := range s.Journal() {
		if e.Method != http.MethodGet && e.Operation != "sign-in" && e.Operation != "sign-out" {
			t.Errorf("a check sent %s %s", e.Method, e.Path)
		}
	}
}

// S67, S69: what a later try might have helped is said as 4b; it takes the
// client's tries, so these run on their own.
func TestChecksOfTransientFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the client's tries")
	}
	t.Parallel()
	for name, fault := range map[string]tableautest.Fault{
		"500":  {Status: 500, Code: "500000"},
		"503":  {HTML: true},
		"drop": {Drop: tableautest.DropMidBody},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, tableautest.Config{}, tableautest.RoleSiteAdministratorCreator)
			fault.Method, fault.Path, fault.Times = http.MethodGet, "/api/3.24/sites/*/users", -1
			s.Fail(fault)

			results := s.run(t, true)

			if r := results[3]; r.Pass || r.Message != usersFail || r.Hint == "" {
				t.Errorf("check 4: %+v", r)
			}
			for i, r := range results[:3] {
				if !r.Pass {
					t.Errorf("check %d: %+v", i+1, r)
				}
			}
		})
	}
}

// S63, S75.
func TestChecksWhenTheHostIsDown(t *testing.T) {
	t.Parallel()
	s := newSite(t, tableautest.Config{}, tableautest.RoleSiteAdministratorCreator)
	s.RefuseConnections(true)

	for i, r := range s.run(t, true) {
		want := []string{apiFail, siteFail, contentFail, usersNoSite}[i]
		if r.Pass || r.Message != want || r.Detail != "could not reach Tableau at "+s.Host {
			t.Errorf("check %d: %+v", i+1, r)
		}
	}
}

// S59, S118: the Default site.
func TestChecksOfTheDefaultSite(t *testing.T) {
	t.Parallel()
	s := newSite(t, tableautest.Config{Product: tableautest.ProductServer}, tableautest.RoleSiteAdministratorCreator)

	results := s.run(t, true)

	if s.settings["site_content_url"] != "" || results[1].Message != defaultPass {
		t.Errorf("%+v", results[1])
	}
}

// S22, S72: without an administrator's rights the first three pass and content
// calls work.
func TestChecksWithoutAnAdministrator(t *testing.T) {
	t.Parallel()
	s := newSite(t, tableautest.Config{}, tableautest.RoleExplorer)

	results := s.run(t, true)

	if got := [4]string{results[0].Message, results[1].Message, results[2].Message, results[3].Message}; got != [4]string{apiPass, sitePass, contentPass, usersDenied} {
		t.Errorf("%q", got)
	}
	a, err := s.open(t).Call(t.Context(), integration.Call{Method: http.MethodGet, Path: "/api/-/collections"})
	if err != nil || a.Status != http.StatusOK {
		t.Errorf("a content call: %d, %v", a.Status, err)
	}
}

// A check that hangs does not hold the others up.
func TestChecksAreIndependent(t *testing.T) {
	t.Parallel()
	s := newSite(t, tableautest.Config{}, tableautest.RoleSiteAdministratorCreator)
	released := make(chan struct{})
	s.Fail(tableautest.Fault{Path: "/api/-/collections", Before: func() { <-released }})
	c := s.open(t)
	checks := tableau.New().Checks
	results := make(chan int, len(checks))
	for i, check := range checks {
		go func() { check.Run(t.Context(), c, s.settings); results <- i }()
	}

	var done []int
	for range 3 {
		select {
		case i := <-results:
			done = append(done, i)
		case <-time.After(20 * time.Second):
			t.Fatal("a check waits for another")
		}
	}
	close(released)

	if slices.Contains(done, 2) || <-results != 2 {
		t.Errorf("ended first: %v", done)
	}
}
