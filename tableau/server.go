package tableau

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
)

// ServerInfo tells which release of Tableau answers.
type ServerInfo struct {
	ProductVersion string `json:"productVersion"` // 2024.3.1
	Build          string `json:"build"`
	RESTVersion    string `json:"restApiVersion"` // the newest that it speaks
}

// fallbackVersion is known to every server since Tableau 10.2, and the first
// that speaks JSON.
const fallbackVersion = "2.5"

// ServerInfo reads the server's release. It needs no session, and none is
// made, so it also works on a server that is too old to sign in to.
//
//tableau:operation GET serverinfo
func (c *Client) ServerInfo(ctx context.Context) (ServerInfo, error) {
	info, err := c.serverInfo(ctx, c.cfg.Version)
	if errors.Is(err, ClassUnsupportedVersion) {
		return c.serverInfo(ctx, fallbackVersion)
	}
	return info, err
}

func (c *Client) serverInfo(ctx context.Context, version string) (ServerInfo, error) {
	type product struct {
		Value text `json:"value"`
		Build text `json:"build"`
	}
	a, err := call[struct {
		ServerInfo *struct {
			Product json.RawMessage `json:"productVersion"`
			REST    text            `json:"restApiVersion"`
		} `json:"serverInfo"`
	}](ctx, c, Request{Method: http.MethodGet, Path: "/api/" + version + "/serverinfo", Op: "ServerInfo", noAuth: true})
	if err != nil {
		return ServerInfo{}, err
	}
	if a.ServerInfo == nil {
		return ServerInfo{}, &NotTableauError{Op: "ServerInfo", Status: http.StatusOK, Excerpt: "the answer names no server"}
	}
	info := ServerInfo{RESTVersion: string(a.ServerInfo.REST)}
	var p product
	if json.Unmarshal(a.ServerInfo.Product, &p) != nil {
		_ = p.Value.UnmarshalJSON(a.ServerInfo.Product)
	}
	info.ProductVersion, info.Build = string(p.Value), string(p.Build)
	return info, nil
}

// SessionInfo is what Tableau says about the current session.
type SessionInfo struct {
	Site Site `json:"site"`
	User User `json:"user"`
}

// CurrentSession asks Tableau which site and user the session is for. The
// answer is compared with the sign-in: another site is an error.
//
//tableau:operation GET sessions/current
func (c *Client) CurrentSession(ctx context.Context) (SessionInfo, error) {
	release := c.Hold(ctx)
	defer release()
	a, err := call[struct {
		Session *struct {
			Site wireSite `json:"site"`
			User wireUser `json:"user"`
		} `json:"session"`
	}](ctx, c, Request{Method: http.MethodGet, Path: "/sessions/current", Op: "CurrentSession"})
	if err != nil {
		return SessionInfo{}, err
	}
	if a.Session == nil || a.Session.Site.ID == "" {
		return SessionInfo{}, &NotTableauError{Op: "CurrentSession", Status: http.StatusOK, Excerpt: "the answer names no site"}
	}
	s, err := c.Session(ctx)
	if err != nil {
		return SessionInfo{}, err
	}
	if a.Session.Site.ID != s.SiteID {
		return SessionInfo{}, &SiteMismatchError{Asked: s.SiteID, Got: a.Session.Site.ID}
	}
	return SessionInfo{Site: a.Session.Site.site(), User: a.Session.User.user()}, nil
}

// Site is a Tableau site.
type Site struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	ContentURL string `json:"contentUrl"` // "" for the Default site
	State      string `json:"state,omitempty"`
	AdminMode  string `json:"adminMode,omitempty"`
	// Seats are the licences of each tier, when they were asked for.
	Seats []Seats `json:"seats,omitempty"`
	// Users is the number of users, -1 when Tableau did not say.
	Users int `json:"users"`
	// StorageMB is the space used in megabytes, -1 when Tableau did not say.
	StorageMB int `json:"storageMb"`
}

// Seats are the licences of one tier of a site.
type Seats struct {
	Tier     string `json:"tier"`     // Creator, Explorer or Viewer
	Capacity int    `json:"capacity"` // -1: no limit of the site's own
	Used     int    `json:"used"`     // -1: Tableau did not say
}

type wireSite struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	ContentURL string `json:"contentUrl"`
	State      string `json:"state"`
	AdminMode  string `json:"adminMode"`
	Creator    count  `json:"tierCreatorCapacity"`
	Explorer   count  `json:"tierExplorerCapacity"`
	Viewer     count  `json:"tierViewerCapacity"`
	Usage      struct {
		Users     count `json:"numUsers"`
		Storage   count `json:"storage"`
		Creators  count `json:"numCreators"`
		Explorers count `json:"numExplorers"`
		Viewers   count `json:"numViewers"`
	} `json:"usage"`
}

func (c count) orUnknown() int {
	if !c.known {
		return -1
	}
	return c.n
}

func (w *wireSite) site() Site {
	s := Site{
		ID: w.ID, Name: w.Name, ContentURL: w.ContentURL, State: w.State, AdminMode: w.AdminMode,
		Users: w.Usage.Users.orUnknown(), StorageMB: w.Usage.Storage.orUnknown(),
	}
	for _, t := range []struct {
		tier           string
		capacity, used count
	}{
		{"Creator", w.Creator, w.Usage.Creators},
		{"Explorer", w.Explorer, w.Usage.Explorers},
		{"Viewer", w.Viewer, w.Usage.Viewers},
	} {
		if t.capacity.known || t.used.known {
			s.Seats = append(s.Seats, Seats{Tier: t.tier, Capacity: t.capacity.orUnknown(), Used: t.used.orUnknown()})
		}
	}
	return s
}

// Site reads the session's site, with its seats and their use.
//
//tableau:operation GET sites/{site}
func (c *Client) Site(ctx context.Context) (Site, error) {
	a, err := call[struct {
		Site *wireSite `json:"site"`
	}](ctx, c, Request{
		Method: http.MethodGet, Path: "/sites/{siteId}", Query: map[string][]string{"includeUsage": {"true"}}, Op: "Site",
	})
	if err != nil {
		return Site{}, err
	}
	if a.Site == nil || a.Site.ID == "" {
		return Site{}, &NotTableauError{Op: "Site", Status: http.StatusOK, Excerpt: "the answer names no site"}
	}
	return a.Site.site(), nil
}
