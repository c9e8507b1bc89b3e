package tableautest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/margay-access/margay/tableau/tableautest"
)

const secret = "c2VjcmV0LWlk==:0123456789abcdef"

// client talks to a simulated Tableau without TLS, by its handler alone.
type client struct {
	t     *testing.T
	h     http.Handler
	api   string // "/api/3.24"
	token string
	site  string // id
	user  string // id
	xml   bool
}

// reply is an answer.
type reply struct {
	*httptest.ResponseRecorder

	t *testing.T
}

// newSite makes a site with an administrator whose PAT is "pat".
func newSite(t *testing.T, cfg tableautest.Config) (*tableautest.Site, *tableautest.User) {
	t.Helper()
	s := tableautest.New(cfg)
	role := tableautest.RoleSiteAdministratorCreator
	if cfg.Product == tableautest.ProductServer {
		role = tableautest.RoleServerAdministrator
	}
	boss := s.AddUser("boss@acme.example", role)
	s.AddPAT(boss, "pat", secret)
	return s, boss
}

// signedIn returns a client with a session of the PAT "pat".
func signedIn(t *testing.T, s *tableautest.Site) *client {
	t.Helper()
	c := &client{t: t, h: s, api: "/api/3.24"}
	c.signIn("pat", secret, s.ContentURL())
	return c
}

func (c *client) signIn(name, secret, contentURL string) {
	c.t.Helper()
	r := c.trySignIn(name, secret, contentURL)
	if r.Code != http.StatusOK {
		c.t.Fatalf("sign in as %s: %d %s", name, r.Code, r.Body)
	}
	var a struct {
		Credentials struct {
			Token string              `json:"token"`
			Site  struct{ ID string } `json:"site"`
			User  struct{ ID string } `json:"user"`
		} `json:"credentials"`
	}
	r.decode(&a)
	c.token, c.site, c.user = a.Credentials.Token, a.Credentials.Site.ID, a.Credentials.User.ID
}

func (c *client) trySignIn(name, secret, contentURL string) reply {
	c.t.Helper()
	body, _ := json.Marshal(map[string]any{"credentials": map[string]any{
		"personalAccessTokenName": name, "personalAccessTokenSecret": secret,
		"site": map[string]string{"contentUrl": contentURL},
	}})
	return c.do(http.MethodPost, c.api+"/auth/signin", string(body))
}

// path is below the session's site: "users?pageSize=1".
func (c *client) path(rest string) string { return c.api + "/sites/" + c.site + "/" + rest }

// do makes a request with JSON in and out, or XML with client.xml.
func (c *client) do(method, path, body string, header ...string) reply {
	c.t.Helper()
	r := httptest.NewRequestWithContext(c.t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Accept", "application/json")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.xml {
		r.Header.Set("Accept", "application/xml")
		r.Header.Set("Content-Type", "application/xml")
	}
	if c.token != "" {
		r.Header.Set("X-Tableau-Auth", c.token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
		if header[i+1] == "" {
			r.Header.Del(header[i])
		}
	}
	w := httptest.NewRecorder()
	c.h.ServeHTTP(w, r)
	return reply{ResponseRecorder: w, t: c.t}
}

func (c *client) get(rest string) reply { return c.do(http.MethodGet, c.path(rest), "") }

func (r reply) decode(v any) {
	r.t.Helper()
	if err := json.Unmarshal(r.Body.Bytes(), v); err != nil {
		r.t.Fatalf("decode %s: %v", r.Body, err)
	}
}

// code is Tableau's error code, from JSON or XML.
func (r reply) code() string {
	if _, rest, ok := strings.Cut(r.Body.String(), `<error code="`); ok {
		code, _, _ := strings.Cut(rest, `"`)
		return code
	}
	var a struct{ Error struct{ Code string } }
	_ = json.Unmarshal(r.Body.Bytes(), &a)
	return a.Error.Code
}

// want fails unless status and code are these.
func (r reply) want(status int, code string) reply {
	r.t.Helper()
	if got := r.code(); r.Code != status || got != code {
		r.t.Fatalf("got %d %q, want %d %q\n%.500s", r.Code, got, status, code, r.Body)
	}
	return r
}
