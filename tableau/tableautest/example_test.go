package tableautest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/margay-access/margay/tableau/tableautest"
)

// call is one request to a handler.
func call(h http.Handler, method, path, token, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(context.Background(), method, path, strings.NewReader(body))
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Tableau-Auth", token)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// tokenOf cuts the token out of the answer to a sign-in.
func tokenOf(w *httptest.ResponseRecorder) string {
	_, rest, _ := strings.Cut(w.Body.String(), `"token":"`)
	token, _, _ := strings.Cut(rest, `"`)
	return token
}

// A server has its own authority, which its client trusts.
func ExampleStart() {
	srv, err := tableautest.Start(tableautest.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()

	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, srv.URL+"/api/3.24/serverinfo", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	req.Header.Set("Accept", "application/json")
	resp, err := srv.Client().Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	body, _ := io.ReadAll(resp.Body)
	fmt.Println(resp.StatusCode, strings.Contains(string(body), `"restApiVersion":"3.24"`))
	// Output: 200 true
}

// A second sign-in with one PAT ends the first session, as Tableau's does.
func ExampleNew() {
	site := tableautest.New(tableautest.Config{SiteContentURL: "acme"})
	boss := site.AddUser("boss@acme.example", tableautest.RoleSiteAdministratorCreator)
	site.AddPAT(boss, "ci", "a-made-up-secret")
	const signIn = `{"credentials":{"personalAccessTokenName":"ci","personalAccessTokenSecret":"a-made-up-secret","site":{"contentUrl":"acme"}}}`

	first := tokenOf(call(site, http.MethodPost, "/api/3.24/auth/signin", "", signIn))
	second := tokenOf(call(site, http.MethodPost, "/api/3.24/auth/signin", "", signIn))

	users := "/api/3.24/sites/" + site.ID() + "/users"
	fmt.Println(call(site, http.MethodGet, users, first, "").Body)
	fmt.Println(call(site, http.MethodGet, users, second, "").Code, site.SignIns(), site.LiveSessions())
	// Output:
	// {"error":{"summary":"Unauthorized Access","detail":"Invalid authentication credentials were provided.","code":"401002"}}
	// 200 2 1
}

// A fault goes wrong on demand; the journal tells what truly happened.
func ExampleSite_Fail() {
	site := tableautest.New(tableautest.Config{SiteContentURL: "acme"})
	boss := site.AddUser("boss@acme.example", tableautest.RoleSiteAdministratorCreator)
	ann := site.AddUser("ann@acme.example", tableautest.RoleViewer)
	site.AddPAT(boss, "ci", "a-made-up-secret")
	token := tokenOf(call(site, http.MethodPost, "/api/3.24/auth/signin", "",
		`{"credentials":{"personalAccessTokenName":"ci","personalAccessTokenSecret":"a-made-up-secret","site":{"contentUrl":"acme"}}}`))

	// The role is set, yet the answer is an error.
	site.Fail(tableautest.Fault{Operation: "update-user", Code: "500000", Apply: true})
	w := call(site, http.MethodPut, "/api/3.24/sites/"+site.ID()+"/users/"+ann.ID(), token, `{"user":{"siteRole":"Creator"}}`)

	fmt.Println(w.Code, ann.Role())
	for _, e := range site.Journal() {
		fmt.Println(e.Seq, e.Operation, e.Status, e.PAT, e.Session, e.Applied)
	}
	// Output:
	// 500 Creator
	// 1 sign-in 200 ci 1 true
	// 2 update-user 500 ci 1 true
}

// Licences run out per tier.
func ExampleSite_SetSeats() {
	site := tableautest.New(tableautest.Config{SiteContentURL: "acme"})
	boss := site.AddUser("boss@acme.example", tableautest.RoleSiteAdministratorCreator)
	ann := site.AddUser("ann@acme.example", tableautest.RoleViewer)
	site.AddPAT(boss, "ci", "a-made-up-secret")
	site.SetSeats(tableautest.Seats{Creator: 1}) // the administrator has it
	token := tokenOf(call(site, http.MethodPost, "/api/3.24/auth/signin", "",
		`{"credentials":{"personalAccessTokenName":"ci","personalAccessTokenSecret":"a-made-up-secret","site":{"contentUrl":"acme"}}}`))

	w := call(site, http.MethodPut, "/api/3.24/sites/"+site.ID()+"/users/"+ann.ID(), token, `{"user":{"siteRole":"Creator"}}`)

	fmt.Println(w.Code, ann.Role())
	// Output: 409 Viewer
}
