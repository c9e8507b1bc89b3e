package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/margay-access/margay/internal/api/wire"
)

// dryIf is the query of a request that may only be to look.
func dryIf(dry bool) url.Values {
	if !dry {
		return nil
	}
	return url.Values{"dry_run": {"true"}}
}

// Groups lists the groups of people.
func (c *Client) Groups(ctx context.Context) (wire.List[wire.Group], error) {
	return do[wire.List[wire.Group]](ctx, c, http.MethodGet, "/groups", nil, nil)
}

// AddGroup makes a group.
func (c *Client) AddGroup(ctx context.Context, in wire.NewGroup) (wire.Group, error) {
	return do[wire.Group](ctx, c, http.MethodPost, "/groups", nil, in)
}

// ChangeGroup changes a group.
func (c *Client) ChangeGroup(ctx context.Context, id string, in wire.ChangedGroup) (wire.Group, error) {
	return do[wire.Group](ctx, c, http.MethodPatch, "/groups/"+url.PathEscape(id), nil, in)
}

// ImportPeople adds and changes people by a CSV file, or with dryRun says what
// that would do.
func (c *Client) ImportPeople(ctx context.Context, in wire.Import, dryRun bool) (wire.Imported, error) {
	return do[wire.Imported](ctx, c, http.MethodPost, "/people/import", dryIf(dryRun), in)
}

// ImportGroups adds groups and members by a CSV file, or with dryRun says what
// that would do.
func (c *Client) ImportGroups(ctx context.Context, in wire.Import, dryRun bool) (wire.Imported, error) {
	return do[wire.Imported](ctx, c, http.MethodPost, "/groups/import", dryIf(dryRun), in)
}

// DisablePerson disables somebody, or with dryRun says what that would do.
func (c *Client) DisablePerson(ctx context.Context, id string, in wire.Disabling, dryRun bool) (wire.Disabled, error) {
	return do[wire.Disabled](ctx, c, http.MethodPost, "/people/"+url.PathEscape(id)+"/disable", dryIf(dryRun), in)
}

// Profiles lists the profiles: who may ask.
func (c *Client) Profiles(ctx context.Context) (wire.List[wire.Profile], error) {
	return do[wire.List[wire.Profile]](ctx, c, http.MethodGet, "/profiles", nil, nil)
}

// CreateProfile makes a profile.
func (c *Client) CreateProfile(ctx context.Context, in wire.NewProfile) (wire.Profile, error) {
	return do[wire.Profile](ctx, c, http.MethodPost, "/profiles", nil, in)
}

// ChangeProfile changes a profile.
func (c *Client) ChangeProfile(ctx context.Context, id string, in wire.ChangedProfile) (wire.Profile, error) {
	return do[wire.Profile](ctx, c, http.MethodPatch, "/profiles/"+url.PathEscape(id), nil, in)
}

// PreviewPolicy says what saving a new version of a policy would touch; with id
// "", what a new policy would say.
func (c *Client) PreviewPolicy(ctx context.Context, id string, in wire.NewPolicy) (wire.Policy, error) {
	if id == "" {
		return do[wire.Policy](ctx, c, http.MethodPost, "/policies", dryIf(true), in)
	}
	return do[wire.Policy](ctx, c, http.MethodPatch, "/policies/"+url.PathEscape(id), dryIf(true), wire.Replacing(in))
}

// PolicyVersions lists the versions of a policy, newest first.
func (c *Client) PolicyVersions(ctx context.Context, id string) (wire.List[wire.Policy], error) {
	return do[wire.List[wire.Policy]](ctx, c, http.MethodGet, "/policies/"+url.PathEscape(id)+"/versions", nil, nil)
}

// PolicyDiff compares two versions of a policy; 0 is the one before, and the
// newest.
func (c *Client) PolicyDiff(ctx context.Context, id string, from, to int) (wire.PolicyDiff, error) {
	q := url.Values{"from": {strconv.Itoa(from)}, "to": {strconv.Itoa(to)}}
	return do[wire.PolicyDiff](ctx, c, http.MethodGet, "/policies/"+url.PathEscape(id)+"/diff", q, nil)
}

// Catalogue lists the roles that can be asked for, for a person ("": oneself).
func (c *Client) Catalogue(ctx context.Context, person string) (wire.List[wire.Offer], error) {
	var q url.Values
	if person != "" {
		q = url.Values{"person_id": {person}}
	}
	return do[wire.List[wire.Offer]](ctx, c, http.MethodGet, "/catalogue", q, nil)
}

// Review returns a request with what its approvers need to know.
func (c *Client) Review(ctx context.Context, id string) (wire.Review, error) {
	return do[wire.Review](ctx, c, http.MethodGet, "/requests/"+url.PathEscape(id)+"/review", nil, nil)
}

// Comment writes on a request.
func (c *Client) Comment(ctx context.Context, id, text string) (wire.Comment, error) {
	return do[wire.Comment](ctx, c, http.MethodPost, "/requests/"+url.PathEscape(id)+"/comments", nil, wire.NewComment{Text: text})
}

// Policy returns one policy.
func (c *Client) Policy(ctx context.Context, id string) (wire.Policy, error) {
	return do[wire.Policy](ctx, c, http.MethodGet, "/policies/"+url.PathEscape(id), nil, nil)
}
