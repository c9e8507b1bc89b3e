package tableau_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/margay-access/margay/tableau"
	"github.com/margay-access/margay/tableau/tableautest"
)

// exampleSite starts a simulated site with three users and returns a client of
// it. Against a real site only Server, Site and the token are needed.
func exampleSite() (*tableau.Client, func()) {
	srv, err := tableautest.Start(tableautest.Config{Collections: tableautest.On})
	if err != nil {
		panic(err)
	}
	boss := srv.AddUser("boss@acme.example", tableautest.RoleSiteAdministratorCreator)
	srv.AddPAT(boss, "reporting", "made-up-secret-of-the-example")
	srv.AddUser("ann@acme.example", tableautest.RoleViewer)
	srv.AddUser("bob@acme.example", tableautest.RoleExplorer)
	c, err := tableau.New(tableau.Config{
		Server:      srv.Host,
		Site:        srv.ContentURL(),
		TokenName:   "reporting",
		TokenSecret: tableau.NewSecret("made-up-secret-of-the-example"),
		RootCAs:     srv.CertPool(),
	})
	if err != nil {
		panic(err)
	}
	return c, func() { _ = c.Close(context.Background()); srv.Close() }
}

// Who has a Creator licence and has not used it for ninety days loses it.
func Example() {
	srv, err := tableautest.Start(tableautest.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()
	boss := srv.AddUser("boss@acme.example", tableautest.RoleSiteAdministratorCreator)
	srv.AddPAT(boss, "housekeeping", "made-up-secret-of-the-example")
	srv.AddUser("busy@acme.example", tableautest.RoleCreator, tableautest.UserDetails{LastLogin: time.Now()})
	srv.AddUser("idle@acme.example", tableautest.RoleCreator, tableautest.UserDetails{LastLogin: time.Now().AddDate(0, 0, -100)})
	srv.AddUser("never@acme.example", tableautest.RoleCreator)

	c, err := tableau.New(tableau.Config{
		Server: srv.Host, Site: srv.ContentURL(), RootCAs: srv.CertPool(),
		TokenName: "housekeeping", TokenSecret: tableau.NewSecret("made-up-secret-of-the-example"),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	defer c.Hold(ctx)() // one sign-in for all that follows
	creators := tableau.UsersOptions{Filter: tableau.Where("siteRole", tableau.Equal, tableau.Creator)}
	for u, err := range c.Users(ctx, creators) {
		if err != nil {
			fmt.Println(err)
			return
		}
		if time.Since(u.LastLogin) < 90*24*time.Hour { // the zero time: never signed in
			continue
		}
		now, err := c.SetSiteRole(ctx, u.ID, tableau.Unlicensed)
		if err != nil {
			fmt.Println(u.Name, err)
			continue
		}
		fmt.Println(now.Name, "is", now.SiteRole)
	}
	// Output:
	// idle@acme.example is Unlicensed
	// never@acme.example is Unlicensed
}

func ExampleClient_Users() {
	c, done := exampleSite()
	defer done()

	for u, err := range c.Users(context.Background(), tableau.UsersOptions{}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(u.Name, u.SiteRole)
	}
	// Output:
	// ann@acme.example Viewer
	// bob@acme.example Explorer
	// boss@acme.example SiteAdministratorCreator
}

func ExampleClient_SetSiteRole() {
	c, done := exampleSite()
	defer done()
	ctx := context.Background()
	release := c.Hold(ctx) // one exchange for both calls
	defer release()

	ann, err := c.FindUser(ctx, "Ann@acme.example")
	if err != nil {
		fmt.Println(err)
		return
	}
	ann, err = c.SetSiteRole(ctx, ann.ID, tableau.Creator)
	switch {
	case errors.Is(err, tableau.ClassNoSeat):
		fmt.Println("no Creator seat is free")
	case err != nil:
		fmt.Println(err)
	default:
		fmt.Println(ann.Name, "is", ann.SiteRole)
	}
	// Output: ann@acme.example is Creator
}

func ExampleClient_Do() {
	c, done := exampleSite()
	defer done()

	resp, err := c.Do(context.Background(), tableau.Request{
		Method: "GET",
		Path:   "/sites/{siteId}/users/{userId}",
	})
	if err != nil {
		fmt.Println(err) // no answer of Tableau's
		return
	}
	fmt.Println(resp.Status, resp.Err())
	// Output: 200 <nil>
}

func ExampleMethod_Bind() {
	c, done := exampleSite()
	defer done()
	m, _ := tableau.MethodNamed("get-users-on-site")

	req, err := m.Bind(url.Values{"filter": {"siteRole:eq:Viewer"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	n := 0
	for _, err := range c.Paginate(context.Background(), req) {
		if err != nil {
			fmt.Println(err)
			return
		}
		n++
	}
	fmt.Println(m.Verb, m.Path, n)
	// Output: GET /api/{version}/sites/{siteId}/users 1
}

func ExampleError() {
	c, done := exampleSite()
	defer done()

	_, err := c.User(context.Background(), "00000000-0000-4000-8000-000000000000")
	if e, ok := errors.AsType[*tableau.Error](err); ok {
		fmt.Println(e.Status, e.Code, e.Class())
	}
	// Output: 404 404002 user_missing
}

func ExampleFilter() {
	f := tableau.Where("siteRole", tableau.In, tableau.Viewer, tableau.Explorer).And("isLocal", tableau.Equal, "true")
	s, err := f.Encode()
	fmt.Println(s, err)
	// Output: siteRole:in:[Viewer,Explorer],isLocal:eq:true <nil>
}
