package tableau

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The site roles that can be given by the REST API.
const (
	Unlicensed                = "Unlicensed"
	Viewer                    = "Viewer"
	Explorer                  = "Explorer"
	ExplorerCanPublish        = "ExplorerCanPublish"
	Creator                   = "Creator"
	SiteAdministratorExplorer = "SiteAdministratorExplorer"
	SiteAdministratorCreator  = "SiteAdministratorCreator"
)

// User is somebody on the site. Which fields are filled depends on the call
// and on what Tableau knows.
type User struct {
	ID                 string    `json:"id"`   // LUID
	Name               string    `json:"name"` // login; on Tableau Cloud the e-mail address
	FullName           string    `json:"fullName,omitempty"`
	Email              string    `json:"email,omitempty"`
	SiteRole           string    `json:"siteRole"`
	AuthSetting        string    `json:"authSetting,omitempty"`
	IdpConfigurationID string    `json:"idpConfigurationId,omitempty"`
	ExternalAuthUserID string    `json:"externalAuthUserId,omitempty"`
	Domain             string    `json:"domain,omitempty"` // local, or that of Active Directory
	Language           string    `json:"language,omitempty"`
	Locale             string    `json:"locale,omitempty"`
	LastLogin          time.Time `json:"lastLogin,omitzero"` // zero: never, or not told
}

// wireUser is a User as Tableau sends it.
type wireUser struct {
	ID                 string `json:"id"`
	Name               string `json:"name"`
	FullName           string `json:"fullName"`
	Email              string `json:"email"`
	SiteRole           string `json:"siteRole"`
	AuthSetting        string `json:"authSetting"`
	IdpConfigurationID string `json:"idpConfigurationId"`
	ExternalAuthUserID string `json:"externalAuthUserId"`
	Domain             struct {
		Name string `json:"name"`
	} `json:"domain"`
	Language  string `json:"language"`
	Locale    string `json:"locale"`
	LastLogin string `json:"lastLogin"`
}

func (w *wireUser) user() User {
	u := User{
		ID: w.ID, Name: w.Name, FullName: w.FullName, Email: w.Email, SiteRole: w.SiteRole,
		AuthSetting: w.AuthSetting, IdpConfigurationID: w.IdpConfigurationID, ExternalAuthUserID: w.ExternalAuthUserID,
		Domain: w.Domain.Name, Language: w.Language, Locale: w.Locale,
	}
	if w.LastLogin != "" {
		u.LastLogin = parseTime(w.LastLogin)
	}
	return u
}

// UsersOptions choose and order the users of a list.
type UsersOptions struct {
	Filter Filter
	// Sort orders the list. Default: by name, so that the pages of one list
	// fit together; Tableau's own order is undefined.
	Sort []Sort
	// Fields are the fields to fill, _default_ and _all_ included. Default: all.
	Fields []string
	// PageSize is at most and by default [MaxPageSize].
	PageSize int
	// Page is the number of the page that [Client.UsersPage] reads, from 1.
	Page int
	// OnPage is told after each page of [Client.Users] how many users have been
	// read and how many there are, -1 when Tableau did not say.
	OnPage func(read, of int)
}

// UsersPage is a part of the site's users.
type UsersPage struct {
	Users []User
	Total int // of all pages together, -1 when Tableau did not say
}

// Users reads all users that fit, page by page. An error ends the list; what
// came before it is not the whole list. Somebody who moves between pages while
// they are read comes once.
//
//tableau:operation GET sites/{site}/users
func (c *Client) Users(ctx context.Context, opts UsersOptions) iter.Seq2[User, error] {
	return lister[User]{
		size: opts.pageSize(),
		now:  c.cfg.Now,
		id:   func(u User) string { return u.ID },
		read: func(ctx context.Context, number, size int) (page[User], error) {
			o := opts
			o.Page, o.PageSize = number, size
			p, err := c.usersPage(ctx, o)
			if err == nil && opts.OnPage != nil {
				of := -1
				if p.total.known {
					of = p.total.n
				}
				opts.OnPage((number-1)*size+len(p.items), of)
			}
			return p, err
		},
	}.all(ctx)
}

// UsersPage reads one page of the users that fit, with the total of all.
//
//tableau:operation GET sites/{site}/users
func (c *Client) UsersPage(ctx context.Context, opts UsersOptions) (UsersPage, error) {
	opts.PageSize = opts.pageSize()
	p, err := c.usersPage(ctx, opts)
	if err != nil {
		return UsersPage{}, err
	}
	total := -1
	if p.total.known {
		total = p.total.n
	}
	return UsersPage{Users: p.items, Total: total}, nil
}

func (o UsersOptions) pageSize() int {
	if o.PageSize <= 0 || o.PageSize > MaxPageSize {
		return MaxPageSize
	}
	return o.PageSize
}

func (o UsersOptions) query() (url.Values, error) {
	filter, err := o.Filter.Encode()
	if err != nil {
		return nil, err
	}
	if len(o.Sort) == 0 {
		o.Sort = []Sort{{Field: "name"}}
	}
	sort, err := encodeSort(o.Sort)
	if err != nil {
		return nil, err
	}
	fields := strings.Join(o.Fields, ",")
	if fields == "" {
		fields = "_all_"
	}
	q := url.Values{
		"pageSize":   {strconv.Itoa(o.PageSize)},
		"pageNumber": {strconv.Itoa(max(o.Page, 1))},
		"sort":       {sort},
		"fields":     {fields},
	}
	if filter != "" {
		q.Set("filter", filter)
	}
	return q, nil
}

func (c *Client) usersPage(ctx context.Context, opts UsersOptions) (page[User], error) {
	q, err := opts.query()
	if err != nil {
		return page[User]{}, err
	}
	return c.readUsers(ctx, Request{
		Method: http.MethodGet, Path: "/sites/{siteId}/users", Query: q, Op: "Users", limit: MaxPageBody,
	})
}

// readUsers reads a page of users: at once when it has the usual shape, and
// item by item when it has not.
func (c *Client) readUsers(ctx context.Context, r Request) (page[User], error) {
	resp, err := c.Do(ctx, r)
	if err != nil {
		return page[User]{}, err
	}
	if err := resp.Err(); err != nil {
		return page[User]{}, err
	}
	if err := resp.mustBeJSON(); err != nil {
		return page[User]{}, err
	}
	var usual struct {
		Pagination struct {
			TotalAvailable count `json:"totalAvailable"`
		} `json:"pagination"`
		Users *struct {
			User []wireUser `json:"user"`
		} `json:"users"`
	}
	err = json.Unmarshal(resp.Body, &usual)
	if err == nil && usual.Users != nil {
		p := page[User]{items: make([]User, len(usual.Users.User)), total: usual.Pagination.TotalAvailable}
		for i := range usual.Users.User {
			p.items[i] = usual.Users.User[i].user()
		}
		return p, nil
	}
	return looseUsers(resp)
}

func looseUsers(resp *Response) (page[User], error) {
	raw, ok := readPage(resp.Body)
	if !ok {
		return page[User]{}, resp.notTableau()
	}
	p := page[User]{total: raw.total}
	for _, item := range raw.items {
		var w wireUser
		if json.Unmarshal(loosen(item), &w) != nil {
			return page[User]{}, resp.notTableau()
		}
		p.items = append(p.items, w.user())
	}
	return p, nil
}

// User reads one user by LUID. It is the only read that shows a change at
// once; lists and searches may lag behind.
//
//tableau:operation GET sites/{site}/users/{user}
func (c *Client) User(ctx context.Context, id string) (User, error) {
	path, err := sitePath("users", id)
	if err != nil {
		return User{}, err
	}
	u, err := userCall(ctx, c, Request{Method: http.MethodGet, Path: path, Op: "User"})
	if err != nil {
		return User{}, err
	}
	if u.ID != "" && !strings.EqualFold(u.ID, id) {
		return User{}, &NotTableauError{Op: "User", Status: http.StatusOK, Excerpt: "the answer is about another user, " + excerpt([]byte(u.ID))}
	}
	u.ID = id
	return u, nil
}

func userCall(ctx context.Context, c *Client, r Request) (User, error) {
	a, err := call[struct {
		User *wireUser `json:"user"`
	}](ctx, c, r)
	if err != nil {
		return User{}, err
	}
	if a.User == nil {
		return User{}, &NotTableauError{Op: r.Op, Status: http.StatusOK, Excerpt: "the answer names no user"}
	}
	return a.User.user(), nil
}

// sitePath returns the path of a resource of the session's site. Ids are
// escaped, so that none can lead elsewhere.
func sitePath(parts ...string) (string, error) {
	path := make([]string, 0, len(parts)+1)
	path = append(path, "/sites/{siteId}")
	for _, p := range parts {
		if !goodSegment(p) || placeholder.MatchString(p) {
			return "", refuse("%q is not an id", p)
		}
		path = append(path, escapeSegment(p))
	}
	return strings.Join(path, "/"), nil
}

// UserMissingError means that nobody on the site fits a name. The REST API
// adds people, and so does their first sign-in.
type UserMissingError struct{ Login string }

func (e *UserMissingError) Error() string {
	return fmt.Sprintf("the Tableau site has no user %q", e.Login)
}

// Class returns [ClassUserMissing].
func (e *UserMissingError) Class() Class { return ClassUserMissing }

// Is reports whether target is the error's class.
func (e *UserMissingError) Is(target error) bool { return target == e.Class() }

// AmbiguousUserError means that several users fit a name, so that none of them
// may be taken for the one that was meant.
type AmbiguousUserError struct {
	Login string
	Users []User
}

func (e *AmbiguousUserError) Error() string {
	names := make([]string, len(e.Users))
	for i, u := range e.Users {
		names[i] = u.Name
		if u.Domain != "" {
			names[i] += " (domain " + u.Domain + ")"
		}
		names[i] += " " + u.ID
	}
	return fmt.Sprintf("%d Tableau users fit %q: %s", len(e.Users), e.Login, strings.Join(names, "; "))
}

// Class returns [ClassUserAmbiguous].
func (e *AmbiguousUserError) Class() Class { return ClassUserAmbiguous }

// Is reports whether target is the error's class.
func (e *AmbiguousUserError) Is(target error) bool { return target == e.Class() }

// FindUser returns the one user that fits a login, as [Client.FindUsers] finds
// them. Nobody is a [*UserMissingError], several an [*AmbiguousUserError].
func (c *Client) FindUser(ctx context.Context, login string) (User, error) {
	users, err := c.FindUsers(ctx, login)
	switch {
	case err != nil:
		return User{}, err
	case len(users) == 0:
		return User{}, &UserMissingError{Login: login}
	case len(users) > 1:
		return User{}, &AmbiguousUserError{Login: login, Users: users}
	default:
		return users[0], nil
	}
}

// FindUsers returns everybody whose name is login; when there is nobody,
// everybody whose e-mail address is. Letters may differ in case only. Tableau
// is asked to filter where it can, and the comparison is made here: a filter
// may be ignored, and sees other strings as equal than we do.
//
//tableau:operation GET sites/{site}/users
func (c *Client) FindUsers(ctx context.Context, login string) ([]User, error) {
	if login == "" {
		return nil, refuse("a user without a name cannot be found")
	}
	release := c.Hold(ctx)
	defer release()
	if CanFilter(login) {
		byName, _, err := c.scanUsers(ctx, login, UsersOptions{Filter: Where("name", EqualIgnoreCase, login)})
		if err == nil && len(byName) > 0 {
			return byName, nil
		}
		// 400065, 400025: the server does not know this filter.
		if e, ok := errors.AsType[*Error](err); err != nil && (!ok || e.Code != "400065" && e.Code != "400025") {
			return nil, err
		}
	}
	byName, byEmail, err := c.scanUsers(ctx, login, UsersOptions{})
	if err != nil {
		return nil, err
	}
	if len(byName) > 0 {
		return byName, nil
	}
	return byEmail, nil
}

func (c *Client) scanUsers(ctx context.Context, login string, opts UsersOptions) (byName, byEmail []User, err error) {
	for u, err := range c.Users(ctx, opts) {
		if err != nil {
			return nil, nil, err
		}
		if sameLogin(u.Name, login) {
			byName = append(byName, u)
		}
		if sameLogin(u.Email, login) {
			byEmail = append(byEmail, u)
		}
	}
	return byName, byEmail, nil
}

// sameLogin compares logins letter by letter, ignoring case. Unlike
// strings.EqualFold it never takes a letter of another script for an ASCII
// one: the Kelvin sign is not a k here.
func sameLogin(a, b string) bool {
	for a != "" && b != "" {
		r, n := utf8.DecodeRuneInString(a)
		s, m := utf8.DecodeRuneInString(b)
		if r == utf8.RuneError || s == utf8.RuneError {
			return a == b
		}
		if r != s && ((r < utf8.RuneSelf) != (s < utf8.RuneSelf) || unicode.ToLower(r) != unicode.ToLower(s)) {
			return false
		}
		a, b = a[n:], b[m:]
	}
	return a == b
}
