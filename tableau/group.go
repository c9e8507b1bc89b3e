package tableau

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
)

// Group is a group of the site's users.
type Group struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Domain      string `json:"domain,omitempty"`
	MinimumRole string `json:"minimumSiteRole,omitempty"` // granted on sign-in, "" for none
	Users       int    `json:"users"`                     // -1: Tableau did not say
}

type wireGroup struct {
	ID     text `json:"id"`
	Name   text `json:"name"`
	Domain struct {
		Name text `json:"name"`
	} `json:"domain"`
	MinimumRole text  `json:"minimumSiteRole"`
	Users       count `json:"userCount"`
	Import      struct {
		SiteRole text `json:"siteRole"`
	} `json:"import"`
}

func (w wireGroup) group() Group {
	return Group{
		ID: string(w.ID), Name: string(w.Name), Domain: string(w.Domain.Name),
		MinimumRole: string(or(w.MinimumRole, w.Import.SiteRole)), Users: w.Users.orUnknown(),
	}
}

// Groups reads all groups that fit the filter.
//
//tableau:operation GET sites/{site}/groups
func (c *Client) Groups(ctx context.Context, filter Filter) iter.Seq2[Group, error] {
	return listOf(ctx, c, "Groups", "/sites/{siteId}/groups", filter, wireGroup.group, func(g Group) string { return g.ID })
}

// UserGroups reads the groups that a user is in.
//
//tableau:operation GET sites/{site}/users/{user}/groups
func (c *Client) UserGroups(ctx context.Context, userID string) iter.Seq2[Group, error] {
	path, err := sitePath("users", userID, "groups")
	if err != nil {
		return failed[Group](err)
	}
	return listOf(ctx, c, "UserGroups", path, nil, wireGroup.group, func(g Group) string { return g.ID })
}

// GroupMembers reads the users of a group.
//
//tableau:operation GET sites/{site}/groups/{group}/users
func (c *Client) GroupMembers(ctx context.Context, groupID string) iter.Seq2[User, error] {
	path, err := sitePath("groups", groupID, "users")
	if err != nil {
		return failed[User](err)
	}
	return lister[User]{
		size: MaxPageSize, now: c.cfg.Now, id: func(u User) string { return u.ID },
		read: func(ctx context.Context, number, size int) (page[User], error) {
			return c.readUsers(ctx, Request{
				Method: http.MethodGet, Path: path, Op: "GroupMembers", limit: MaxPageBody, Query: pageQuery(size, number),
			})
		},
	}.all(ctx)
}

// AddGroupMember puts a user into a group. It succeeds when the user is in the
// group already.
//
//tableau:operation POST sites/{site}/groups/{group}/users
func (c *Client) AddGroupMember(ctx context.Context, groupID, userID string) error {
	path, err := sitePath("groups", groupID, "users")
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]map[string]string{"user": {"id": userID}})
	if err != nil {
		return fmt.Errorf("write the member: %w", err)
	}
	err = c.do(ctx, Request{Method: http.MethodPost, Path: path, Body: body, Op: "AddGroupMember"})
	if hasCode(err, "409011") {
		return nil
	}
	return err
}

// RemoveGroupMember takes a user out of a group.
//
//tableau:operation DELETE sites/{site}/groups/{group}/users/{user}
func (c *Client) RemoveGroupMember(ctx context.Context, groupID, userID string) error {
	path, err := sitePath("groups", groupID, "users", userID)
	if err != nil {
		return err
	}
	return c.do(ctx, Request{Method: http.MethodDelete, Path: path, Op: "RemoveGroupMember"})
}

// listOf reads all pages of a numbered list.
func listOf[W, T any](ctx context.Context, c *Client, op, path string, filter Filter, convert func(W) T, id func(T) string) iter.Seq2[T, error] {
	encoded, err := filter.Encode()
	if err != nil {
		return failed[T](err)
	}
	return lister[T]{
		size: MaxPageSize, now: c.cfg.Now, id: id,
		read: func(ctx context.Context, number, size int) (page[T], error) {
			q := pageQuery(size, number)
			if encoded != "" {
				q["filter"] = []string{encoded}
			}
			return readList(ctx, c, Request{Method: http.MethodGet, Path: path, Query: q, Op: op, limit: MaxPageBody}, convert)
		},
	}.all(ctx)
}

// failed is the list that is nothing but an error.
func failed[T any](err error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) { yield(*new(T), err) }
}
