package cli

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/client"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/tableau/tableautest"
)

// The people of the story, and the secret of the PAT that the simulated site
// gives to Margay's account: made up, and gone with the demo.
const (
	demoAdmin     = "ana@acme.example"
	demoApprover  = "bo@acme.example"
	demoRequester = "rita@acme.example"
	demoNewcomer  = "newman@acme.example"
	demoAccount   = "svc-margay@acme.example"
	demoPATName   = "margay"
	demoPATSecret = "ZGVtbw==:made-up-secret-of-the-simulated-site" //nolint:gosec // opens nothing but the simulation
	demoPassword  = "margay-in-the-demo"                            //nolint:gosec // of made-up people
	demoPatience  = 30 * time.Second
)

// run tells the whole story. It stops at the first step that is not confirmed.
func (d *demo) run(ctx context.Context) error {
	for _, chapter := range []func(context.Context) error{d.setting, d.grantAndBack, d.neverSignedIn, d.overlap, d.evidence} {
		if err := chapter(ctx); err != nil {
			return err
		}
	}
	return nil
}

// setting makes the site, the people, the connection and the app.
func (d *demo) setting(ctx context.Context) error {
	d.heading("A Tableau site, the people and an app")
	account := d.site.AddUser(demoAccount, tableautest.RoleSiteAdministratorCreator)
	d.site.AddPAT(account, demoPATName, demoPATSecret)
	d.site.AddUser(demoRequester, tableautest.RoleViewer)
	if err := d.step(ctx, "People", d.people); err != nil {
		return err
	}
	if err := d.step(ctx, "Connection", d.connect); err != nil {
		return err
	}
	if err := d.step(ctx, "Health checks", d.checks); err != nil {
		return err
	}
	return d.step(ctx, "App", d.app)
}

func (d *demo) people(ctx context.Context) (string, error) {
	add := func(email, name string) (*client.Client, error) {
		if _, err := d.admin.AddPerson(ctx, wire.NewPerson{Email: email, Name: name}); err != nil {
			return nil, err
		}
		return d.signIn(ctx, email, nil)
	}
	var err error
	if d.admin, err = d.signIn(ctx, demoAdmin, []identity.Scope{identity.ScopeAdmin}); err != nil {
		return "", err
	}
	if d.approver, err = add(demoApprover, "Bo"); err != nil {
		return "", err
	}
	if d.requester, err = add(demoRequester, "Rita"); err != nil {
		return "", err
	}
	if _, err = add(demoNewcomer, "Newman"); err != nil {
		return "", err
	}
	return "Ana administers, Bo approves, Rita and Newman ask", nil
}

func (d *demo) signIn(ctx context.Context, email string, scopes []identity.Scope) (*client.Client, error) {
	token, err := d.srv.IssueToken(ctx, email, scopes)
	if err != nil {
		return nil, err
	}
	if err := d.srv.SetPassword(ctx, email, demoPassword); err != nil {
		return nil, err
	}
	d.tokens = append(d.tokens, [2]string{email, token})
	return client.New(d.url, token)
}

func (d *demo) connect(ctx context.Context) (string, error) {
	c, err := d.admin.CreateConnection(ctx, wire.NewConnection{Integration: "tableau", Settings: map[string]string{
		"server_url": d.site.URL, "site_content_url": d.site.ContentURL(), "pat_name": demoPATName, "pat_secret": demoPATSecret,
	}})
	d.connection = c.ID
	return fmt.Sprintf("%s at %s, secret %s", c.DisplayName, c.Settings["server_url"], c.Settings["pat_secret"]), err
}

func (d *demo) checks(ctx context.Context) (string, error) {
	list, err := d.admin.CheckConnection(ctx, d.connection)
	if err != nil {
		return "", err
	}
	var texts []string
	for _, c := range list.Items {
		if c.Status != "pass" {
			return "", fmt.Errorf("%s: %s %s", c.Name, c.Message, c.Detail)
		}
		texts = append(texts, c.Message)
	}
	return strings.Join(texts, " · "), nil
}

func (d *demo) app(ctx context.Context) (string, error) {
	bo, err := d.approver.Me(ctx)
	if err != nil {
		return "", err
	}
	policy, err := d.admin.CreatePolicy(ctx, wire.NewPolicy{
		Name: "Bo agrees", Longest: wire.Duration(30 * 24 * time.Hour), Usual: wire.Duration(8 * time.Hour), ReasonNeeded: true, OnBehalf: "anybody",
		Steps: []wire.PolicyStep{{ApproverIDs: []string{bo.ID}}},
	})
	if err != nil {
		return "", err
	}
	app, err := d.admin.CreateApp(ctx, wire.NewApp{Name: "tableau", ConnectionID: d.connection, PolicyID: policy.ID})
	if err != nil {
		return "", err
	}
	in, err := d.admin.Integration(ctx, "tableau")
	if err != nil {
		return "", err
	}
	d.roles = map[string]string{}
	for _, name := range in.Roles {
		role, err := d.admin.CreateRole(ctx, app.ID, wire.NewRole{Name: name})
		if err != nil {
			return "", err
		}
		d.roles[name] = role.ID
	}
	return fmt.Sprintf("%s with the roles %s; bundle Access Management installed", app.Name, strings.Join(in.Roles, ", ")), nil
}

// grantAndBack is the road: a request becomes a site role and goes away again.
func (d *demo) grantAndBack(ctx context.Context) error {
	d.heading("Rita asks for Creator, and gives it back")
	var req wire.Request
	var grant wire.Grant
	steps := []struct {
		name string
		do   func(ctx context.Context) (string, error)
	}{
		{"Asked", func(ctx context.Context) (_ string, err error) {
			req, err = d.requester.FileRequest(ctx, wire.NewRequest{RoleID: d.roles["Creator"], Duration: wire.For(8 * time.Hour), Reason: "Quarter-end pack"})
			return "Creator for 8 h: Quarter-end pack. In Tableau Rita is " + d.role(), err
		}},
		{"Approved", func(ctx context.Context) (_ string, err error) {
			req, err = d.approver.Approve(ctx, req.ID, wire.Decision{})
			return "by Bo", err
		}},
		{"Active", func(ctx context.Context) (_ string, err error) {
			if grant, err = d.until(ctx, req.GrantID, "active"); err != nil {
				return "", err
			}
			return d.confirmed("Creator", grant)
		}},
		{"Revoked", func(ctx context.Context) (string, error) {
			_, err := d.admin.Revoke(ctx, grant.ID, wire.Revocation{Reason: "The pack is done"})
			return "by Ana: The pack is done", err
		}},
		{"Ended", func(ctx context.Context) (_ string, err error) {
			if grant, err = d.until(ctx, grant.ID, "ended"); err != nil {
				return "", err
			}
			return d.confirmed("Unlicensed", grant)
		}},
	}
	for _, st := range steps {
		if err := d.step(ctx, st.name, st.do); err != nil {
			return err
		}
	}
	return nil
}

// neverSignedIn is a sad road: somebody who is not on the site.
func (d *demo) neverSignedIn(ctx context.Context) error {
	d.heading("Newman has never signed in to Tableau")
	var grant wire.Grant
	return d.step(ctx, "Not set up", func(ctx context.Context) (_ string, err error) {
		if grant, err = d.ask(ctx, demoNewcomer, "Explorer", "not_set_up"); err != nil {
			return "", err
		}
		if grant.Problem == nil || grant.Problem.Code != "user_missing" {
			return "", fmt.Errorf("the problem is %+v", grant.Problem)
		}
		if d.site.User(demoNewcomer) != nil {
			return "", fmt.Errorf("an account was made for %s", demoNewcomer)
		}
		return grant.Problem.Message, nil
	})
}

// overlap is the other: the end of one grant must not strip another role.
func (d *demo) overlap(ctx context.Context) error {
	d.heading("Rita holds two roles; the end of one must not strip the other")
	var viewer, creator wire.Grant
	steps := []struct {
		name string
		do   func(ctx context.Context) (string, error)
	}{
		{"Viewer", func(ctx context.Context) (_ string, err error) {
			if viewer, err = d.ask(ctx, demoRequester, "Viewer", "active"); err != nil {
				return "", err
			}
			return d.confirmed("Viewer", viewer)
		}},
		{"Creator", func(ctx context.Context) (_ string, err error) {
			if creator, err = d.ask(ctx, demoRequester, "Creator", "active"); err != nil {
				return "", err
			}
			return d.confirmed("Creator", creator)
		}},
		{"Viewer revoked", func(ctx context.Context) (string, error) { return d.end(ctx, viewer.ID, "Creator") }},
		{"Viewer again", func(ctx context.Context) (_ string, err error) {
			if viewer, err = d.ask(ctx, demoRequester, "Viewer", "active"); err != nil {
				return "", err
			}
			return d.confirmed("Creator", viewer)
		}},
		{"Creator revoked", func(ctx context.Context) (string, error) { return d.end(ctx, creator.ID, "Viewer") }},
	}
	for _, st := range steps {
		if err := d.step(ctx, st.name, st.do); err != nil {
			return err
		}
	}
	return nil
}

// evidence holds the story against the simulated site's journal and the audit
// log.
func (d *demo) evidence(ctx context.Context) error {
	d.heading("The evidence")
	if err := d.step(ctx, "Tableau's journal", func(context.Context) (string, error) { return d.journal() }); err != nil {
		return err
	}
	return d.step(ctx, "Audit log", func(ctx context.Context) (string, error) {
		v, err := d.admin.VerifyAudit(ctx)
		if err == nil && !v.OK {
			err = fmt.Errorf("%s", v.Reason)
		}
		return fmt.Sprintf("%d events, each chained to the one before it", v.Events), err
	})
}

// journal checks that Tableau carried out just the changes of the story.
func (d *demo) journal() (string, error) {
	var changes []string
	signIns, calls := 0, 0
	for _, e := range d.site.Journal() {
		calls++
		switch {
		case strings.HasSuffix(e.Path, "/auth/signin"):
			signIns++
		case e.Method == http.MethodPut && e.Applied:
			changes = append(changes, roleIn(e.Body))
		case e.Method == http.MethodDelete, e.Method == http.MethodPost && strings.HasSuffix(e.Path, "/users"):
			return "", fmt.Errorf("%s %s was sent: accounts are never made or deleted", e.Method, e.Path)
		}
		if e.Code == "401002" {
			return "", fmt.Errorf("%s %s met 401002: a session was lost", e.Method, e.Path)
		}
	}
	want := []string{"Creator", "Unlicensed", "Viewer", "Creator", "Viewer"}
	if !slices.Equal(changes, want) {
		return "", fmt.Errorf("the changes were %v, want %v", changes, want)
	}
	return fmt.Sprintf("%d calls, %d sign-ins, %d changes (%s), no session lost, no account made or deleted",
		calls, signIns, len(changes), strings.Join(changes, " · ")), nil
}

// roleIn finds the site role in a journalled body.
func roleIn(body string) string {
	_, rest, _ := strings.Cut(body, `"siteRole":"`)
	role, _, _ := strings.Cut(rest, `"`)
	return role
}

// ask files a request of Ana's for somebody and approves it, and waits for its
// grant.
func (d *demo) ask(ctx context.Context, email, role, state string) (wire.Grant, error) {
	person, err := d.personID(ctx, email)
	if err != nil {
		return wire.Grant{}, err
	}
	req, err := d.admin.FileRequest(ctx, wire.NewRequest{RoleID: d.roles[role], PersonID: person, Reason: "Demo"})
	if err != nil {
		return wire.Grant{}, err
	}
	if req, err = d.approver.Approve(ctx, req.ID, wire.Decision{}); err != nil {
		return wire.Grant{}, err
	}
	return d.until(ctx, req.GrantID, state)
}

func (d *demo) personID(ctx context.Context, email string) (string, error) {
	list, err := d.admin.People(ctx)
	for _, p := range list.Items {
		if p.Email == email {
			return p.ID, err
		}
	}
	return "", err
}

// end revokes a grant and checks the role that is left.
func (d *demo) end(ctx context.Context, grant, left string) (string, error) {
	if _, err := d.admin.Revoke(ctx, grant, wire.Revocation{}); err != nil {
		return "", err
	}
	g, err := d.until(ctx, grant, "ended")
	if err != nil {
		return "", err
	}
	return d.confirmed(left, g)
}

// until waits for the grant to reach a state.
func (d *demo) until(ctx context.Context, id, state string) (wire.Grant, error) {
	ctx, cancel := context.WithTimeout(ctx, demoPatience)
	defer cancel()
	tick := time.NewTicker(25 * time.Millisecond) //nolint:forbidigo // looks until the run is through
	defer tick.Stop()
	for {
		g, err := d.admin.Grant(ctx, id)
		if err != nil || g.State == state {
			return g, err
		}
		if g.Problem != nil && g.State != "setting_up" && g.State != "ending" {
			return g, fmt.Errorf("the grant is %s: %s", g.State, g.Problem.Message)
		}
		select {
		case <-ctx.Done():
			return g, fmt.Errorf("the grant is %s after %s: %w", g.State, demoPatience, ctx.Err())
		case <-tick.C:
		}
	}
}

// confirmed compares what a grant of Rita's says with what the simulated site
// holds.
func (d *demo) confirmed(role string, g wire.Grant) (string, error) {
	if got := d.role(); got != role {
		return "", fmt.Errorf("in Tableau Rita is %s, want %s", got, role)
	}
	if g.Proof == nil || g.Proof.SiteRole != role {
		return "", fmt.Errorf("the grant's proof is %+v, want %s", g.Proof, role)
	}
	until := ""
	if g.EndsAt != nil && g.State == "active" {
		until = ", ends " + g.EndsAt.In(d.s.zone).Format("2 Jan 15:04")
	}
	return fmt.Sprintf("%s Read back %s at %s%s", g.Proof.Note, g.Proof.SiteRole, g.Proof.At.In(d.s.zone).Format("15:04:05"), until), nil
}

// role is what Rita is in the simulated site, asked past Margay.
func (d *demo) role() string {
	if u := d.site.User(demoRequester); u != nil {
		return u.Role()
	}
	return "not on the site"
}
