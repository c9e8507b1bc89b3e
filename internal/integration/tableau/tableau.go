// Package tableau is Margay's integration with Tableau: the form of a
// connection, its four health checks, the actions that workflows call, and the
// bundle "Access Management".
//
// It describes all of this as data (integration.Integration) and gives a
// meaning to what the Tableau client reports: which sentence people read, and
// whether a later try may help. How Tableau is spoken to is the public package
// tableau's; who may do what is access'.
package tableau

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"

	"github.com/margay-access/margay/internal/integration"
	"github.com/margay-access/margay/tableau"
)

// Kind names the integration.
const Kind = "tableau"

// New returns the integration.
func New() integration.Integration {
	return integration.Integration{
		Kind:        Kind,
		Name:        "Tableau",
		Summary:     "Tableau Cloud and Tableau Server: site roles, users and any REST call, with a Personal Access Token.",
		Beta:        "The Tableau integration is marked Beta. Behavior and available capabilities may evolve.",
		Title:       "Configure Tableau",
		Fields:      fields(),
		Clean:       clean,
		DisplayName: displayName,
		Target:      target,
		Guide:       guide(),
		Idle:        idle(),
		Try:         try,
		Catalogue:   integration.Catalogue{Search: searchMethods, Bind: bindMethod},
		Command:     command,
		Roles:       SiteRoles(),
		NoRole:      unlicensed,
		RoleFacts:   roleFacts(),
		Accounts:    accounts,
		LeaseName:   leaseName,
		Open:        open,
		Checks:      checks(),
		Actions:     actions(),
		Bundles:     bundles(),
		Modules:     map[string]string{"margay/tableau": moduleSource},

		Declarations: declarations,
	}
}

// unlicensed is the site role of a user who may do nothing on the site.
const unlicensed = "Unlicensed"

// SiteRoles lists the site roles that can be granted, the weakest first. The
// order is that of the licences and rights that they hold; an administrator's
// role is the strongest (Tableau REST API, Add User to Site).
func SiteRoles() []string {
	return []string{"Viewer", "Explorer", "ExplorerCanPublish", "Creator", "SiteAdministratorExplorer"}
}

// client is an open connection to a Tableau site.
type client struct {
	t *tableau.Client
}

func open(s integration.Settings, env integration.Env) (integration.Client, error) {
	var turns tableau.Lease
	if env.Lease != nil {
		turns = lease{env.Lease(leaseName(s))}
	}
	t, err := tableau.New(tableau.Config{
		Server:      s[keyServer],
		Site:        s[keySite],
		TokenName:   s[keyPATName],
		TokenSecret: tableau.NewSecret(s[keyPATSecret]),
		RootCAs:     env.RootCAs,
		Control:     env.Control,
		UserAgent:   env.UserAgent,
		Linger:      env.Linger,
		Lease:       turns,
	})
	if err != nil {
		return nil, fieldFault(err)
	}
	return &client{t: t}, nil
}

// leaseName names what allows one session at a time: a PAT of a server. Tableau
// ends the session of a PAT also when it signs in to another site.
func leaseName(s integration.Settings) string {
	return Kind + "/" + s[keyServer] + "/" + s[keyPATName]
}

// lease is the machine's lease as the client wants it.
type lease struct{ integration.Lease }

// Acquire implements [tableau.Lease].
func (l lease) Acquire(ctx context.Context) (tableau.Held, error) {
	held, err := l.Lease.Acquire(ctx)
	return tableau.Held(held), err
}

// Hold implements [integration.Client].
func (c *client) Hold(ctx context.Context) func() { return c.t.Hold(ctx) }

// Close implements [integration.Client].
func (c *client) Close(ctx context.Context) error { return c.t.Close(ctx) }

// Traffic implements [integration.Busy].
func (c *client) Traffic() integration.Traffic { return integration.Traffic(c.t.Traffic()) }

// Call implements [integration.Client].
func (c *client) Call(ctx context.Context, call integration.Call) (integration.Answer, error) {
	ctx = traced(ctx)
	defer c.t.Hold(ctx)() // what is asked before it and the call share a session
	if err := c.guardOwner(ctx, call); err != nil {
		return integration.Answer{}, err
	}
	resp, err := c.t.Do(ctx, tableau.Request{
		Method: call.Method, Path: call.Path, Query: call.Query, Header: call.Header, Body: call.Body,
	})
	if err != nil {
		return integration.Answer{}, meaning(err)
	}
	header := resp.Header
	if header == nil {
		header = http.Header{}
	}
	return integration.Answer{Status: resp.Status, Header: header, Body: resp.Body}, nil
}

// Pages implements [integration.Client].
func (c *client) Pages(ctx context.Context, call integration.Call) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		for item, err := range c.t.Paginate(traced(ctx), tableau.Request{Method: call.Method, Path: call.Path, Query: call.Query, Header: call.Header}) {
			if !yield(item, meaning(err)) || err != nil {
				return
			}
		}
	}
}

// traced passes the client's trace on to the integration's observer.
func traced(ctx context.Context) context.Context {
	return tableau.WithTrace(ctx, func(c tableau.Call) {
		t := integration.Trace{
			Kind: string(c.Kind), Method: c.Method, Path: c.Path, Template: c.PathTemplate, Status: c.Status, Code: c.Code, Started: c.Started, Duration: c.Duration,
		}
		if c.Err != nil {
			t.Err = meaning(c.Err).Error()
		}
		integration.Traced(ctx, t)
	})
}

// of returns the Tableau client behind c.
func of(c integration.Client) (*tableau.Client, error) {
	t, ok := c.(*client)
	if !ok {
		return nil, errors.New("tableau: the connection is not one of Tableau's")
	}
	return t.t, nil
}

// decodeBody returns a body as workflows see it: JSON as it is, else as text.
func decodeBody(body []byte) json.RawMessage {
	if json.Valid(body) {
		return body
	}
	text, err := json.Marshal(string(body))
	if err != nil {
		return json.RawMessage("null")
	}
	return text
}
