package tableau_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/margay-access/margay/tableau"
	"github.com/margay-access/margay/tableau/tableautest"
)

func TestErrorsTellTextAndClass(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	tests := []struct {
		err   error
		text  string
		class tableau.Class
	}{
		{&tableau.Error{Op: "User", Status: 404, Code: "404002", Summary: "Resource Not Found", Detail: "gone"}, "Tableau refused User (HTTP 404, 404002, Resource Not Found): gone", tableau.ClassUserMissing},
		{&tableau.Error{Op: "User", Status: 503}, "Tableau refused User (HTTP 503)", tableau.ClassUnavailable},
		{&tableau.Error{Op: "User", Status: 408}, "Tableau refused User (HTTP 408)", tableau.ClassUnavailable},
		{&tableau.Error{Op: "User", Status: 429}, "Tableau refused User (HTTP 429)", tableau.ClassThrottled},
		{&tableau.Error{Op: "User", Status: 401}, "Tableau refused User (HTTP 401)", tableau.ClassDenied},
		{&tableau.Error{Op: "SignIn", Status: 403, Summary: "a", Detail: "b"}, "Tableau sign-in failed (HTTP 403, a): b", tableau.ClassAuthRejected},
		{&tableau.Error{Op: "SignIn", Status: 401, Code: "401002", Summary: "a", Detail: "b"}, "Tableau sign-in failed (HTTP 401, a): b", tableau.ClassAuthRejected},
		{&tableau.UnreachableError{Host: "h", Err: cause}, "could not reach Tableau at h", tableau.ClassUnavailable},
		{&tableau.NoAnswerError{Op: "User", Host: "h", Err: cause}, "no whole answer from Tableau at h to User: cause", tableau.ClassUnavailable},
		{tableau.ErrNoSessionToken, "Tableau sign-in succeeded but returned no session token", tableau.ClassNotTableau},
		{tableau.ErrClosed, "tableau: the client is closed", tableau.ClassCanceled},
		{tableau.ErrLeaseLost, "the lease on the PAT was lost", tableau.ClassSessionLost},
		{&tableau.SiteMismatchError{Asked: "a", Got: "b"}, `Tableau signed in to the site "b" instead of "a"`, tableau.ClassAuthRejected},
		{&tableau.NotTableauError{Op: "User", Status: 200, Excerpt: "x"}, "the answer to User is not Tableau's (HTTP 200): x", tableau.ClassNotTableau},
		{&tableau.NotTableauError{Op: "User", Status: 429}, "the answer to User is not Tableau's (HTTP 429): ", tableau.ClassThrottled},
		{&tableau.RedirectError{Op: "User", Status: 302, Target: "evil"}, "User was redirected to evil (HTTP 302), which is never followed", tableau.ClassNotTableau},
		{&tableau.TooLargeError{Op: "User", What: "body", Limit: 7}, "the answer to User is too large: its body exceeds 7", tableau.ClassTooLarge},
		{&tableau.TLSError{Host: "h", Reason: "r", Err: cause}, "no trusted TLS connection to Tableau at h: r", tableau.ClassTLSUntrusted},
		{&tableau.EgressError{Host: "h", Address: "10.0.0.1:443", Err: cause}, "the address 10.0.0.1:443 of h may not be dialled: cause", tableau.ClassEgressBlocked},
		{&tableau.ThrottledError{RetryAt: at}, "Tableau asked to wait until 2026-01-02T03:04:05Z", tableau.ClassThrottled},
		{&tableau.ConfigError{Field: "Server", Reason: "is required"}, "tableau: Server is required", tableau.ClassBadRequest},
		{&tableau.RequestError{Reason: "r"}, "tableau: r", tableau.ClassBadRequest},
		{&tableau.UserMissingError{Login: "a"}, `the Tableau site has no user "a"`, tableau.ClassUserMissing},
		{&tableau.AmbiguousUserError{Login: "a", Users: []tableau.User{{Name: "a", Domain: "EU", ID: "1"}, {Name: "A", ID: "2"}}}, `2 Tableau users fit "a": a (domain EU) 1; A 2`, tableau.ClassUserAmbiguous},
		{&tableau.RoleNotSetError{UserID: "u", Asked: "Creator", Got: "Viewer"}, "site role of user u is Viewer, not Creator as asked for", tableau.ClassDrift},
		{&tableau.RoleNotSetError{UserID: "u", Asked: "Creator", Got: "Unlicensed"}, "site role of user u is Unlicensed, not Creator as asked for", tableau.ClassNoSeat},
		{&tableau.RoleNotSetError{UserID: "u", Asked: "Creator", Err: &tableau.NoAnswerError{Op: "User", Host: "h", Err: cause}}, "site role Creator of user u is not confirmed: no whole answer from Tableau at h to User: cause", tableau.ClassUnavailable},
		{&tableau.RoleDriftError{UserID: "u", From: "Viewer", To: "Creator", Got: "Explorer"}, "site role of user u is Explorer, neither Viewer as before nor Creator: somebody else changed it", tableau.ClassDrift},
		{&tableau.JobError{Job: tableau.Job{ID: "j", Type: "T", Finish: tableau.JobFailed, Notes: []string{"n"}}}, "Tableau's job j (T) failed; n", tableau.ClassBadRequest},
		{tableau.ClassDrift, "drift", tableau.ClassDrift},
		{context.Canceled, "context canceled", tableau.ClassCanceled},
		{context.DeadlineExceeded, "context deadline exceeded", tableau.ClassUnavailable},
		{cause, "cause", tableau.ClassInternal},
	}
	for _, tt := range tests {
		wrapped := fmt.Errorf("around: %w", tt.err)
		if tt.err.Error() != tt.text {
			t.Errorf("%T\ngot  %s\nwant %s", tt.err, tt.err, tt.text)
		}
		if got := tableau.ClassOf(wrapped); got != tt.class {
			t.Errorf("%v: class %s, want %s", tt.err, got, tt.class)
		}
		_, plain := tt.err.(interface{ Class() tableau.Class })
		if plain && !errors.Is(wrapped, tt.class) {
			t.Errorf("%v is not %s", tt.err, tt.class)
		}
	}
	if tableau.ClassOf(nil) != "" {
		t.Error("nil has a class")
	}
}

func TestErrorFamilies(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		body string
		want tableau.Error
	}{
		"versionless": {`{"httpErrorCode":"400","message":"m"}`, tableau.Error{Status: 400, Summary: "Bad Request", Detail: "m"}},
		"Pulse":       {`{"code":5,"message":"m"}`, tableau.Error{Status: 400, Summary: "Bad Request", Detail: "m"}},
		"VizQL":       {`{"errorCode":"400803","message":"m","messages":[],"tab-error-code":"0x1"}`, tableau.Error{Status: 400, Code: "400803", Summary: "Bad Request", Detail: "m"}},
		"TSM":         {`{"timestamp":1,"status":401,"error":"Unauthorized","message":"Please log in at /login","path":"/x"}`, tableau.Error{Status: 400, Summary: "Bad Request", Detail: "Please log in at /login"}},
		"none":        {"<html>\x1b[0m no</html>", tableau.Error{Status: 400, Raw: "<html>[0m no</html>"}},
	} {
		c := faked(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(tt.body))
		})
		resp, err := c.Do(t.Context(), tableau.Request{Method: http.MethodGet, Path: "/x", Op: "X"})
		if err != nil {
			t.Fatal(err)
		}
		got, _ := errors.AsType[*tableau.Error](resp.Err())
		tt.want.Op = "X"
		if diff := cmp.Diff(&tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	good := tableau.Config{Server: "h", TokenName: "n", TokenSecret: tableau.NewSecret("s")}
	for field, change := range map[string]func(*tableau.Config){
		"Version": func(c *tableau.Config) { c.Version = "3.24/../x" }, "TokenName": func(c *tableau.Config) { c.TokenName = "" },
		"TokenSecret": func(c *tableau.Config) { c.TokenSecret = tableau.Secret{} }, "UserAgent": func(c *tableau.Config) { c.UserAgent = "a\r\nb" },
		"Linger, Tries, Rate and Burst": func(c *tableau.Config) { c.Linger = -1 },
	} {
		cfg := good
		change(&cfg)
		_, err := tableau.New(cfg)
		if e, ok := errors.AsType[*tableau.ConfigError](err); !ok || e.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	if c, err := tableau.New(good); err != nil || c.Version() != "3.24" {
		t.Errorf("got %v", err)
	}
}

func TestLingerEnds(t *testing.T) {
	var site *tableautest.Site
	inBubble(t, simulated(&site, tableautest.Config{}), func(t *testing.T, c *tableau.Client) {
		for range 3 {
			if _, err := c.Session(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(9 * time.Second)
		}
		if site.LiveSessions() != 1 || site.SignIns() != 1 {
			t.Errorf("%d live after %d sign-ins", site.LiveSessions(), site.SignIns())
		}
		time.Sleep(2 * time.Second)
		if site.LiveSessions() != 0 {
			t.Error("the session is kept longer than Linger")
		}
	}, func(c *tableau.Config) { c.Linger = 10 * time.Second })
}

func TestOddContentAnswers(t *testing.T) {
	t.Parallel()
	answers := map[string]string{
		"/api/-/collections/c1/items":  `{"items":[{"content":{"luid":"w1","type":"Workbook","name":"Sales"},"collectionLuid":"c1","addedDate":"2026-01-02"}],"totalCount":1}`,
		"/api/-/collections":           `{"collections":{"collection":{"id":7,"name":"One","ownerAlias":"ann","totalItemCount":"3"}},"pagination":{"totalAvailable":"1"}}`,
		"/api/-/content/usage-stats":   `{"content_items":[{"content":{"luid":"w1","type":"workbook"},"usage":{"hitsTotal":"5"}}],"errors":[{"httpErrorCode":404,"message":"no w2"}]}`,
		"/api/-/pulse/metrics":         `{"metrics":[{"id":"m1"}],"next_page_token":"more"}`,
		"/api/-/pulse/metrics?more":    `{"metrics":[{"id":"m1"},{"id":"m2"}],"next_page_token":""}`,
		"/api/3.24/sites/s1/workbooks": `[{"id":"b1"}]`,
	}
	c := faked(t, func(w http.ResponseWriter, r *http.Request) {
		key := r.URL.Path
		if token := r.URL.Query().Get("page_token"); token != "" {
			key += "?" + token
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(answers[key]))
	})

	p, err := c.CollectionsPage(t.Context(), 1)
	want := tableau.CollectionsPage{Collections: []tableau.Collection{{LUID: "7", Name: "One", Owner: "ann", Items: 3}}, Total: 1}
	if diff := cmp.Diff(want, p); diff != "" || err != nil {
		t.Errorf("collections %v (-want +got):\n%s", err, diff)
	}
	items := collect(t, c.CollectionItems(t.Context(), "c1"))
	if len(items) != 1 || items[0].Type != "workbook" || items[0].Name != "Sales" {
		t.Errorf("items %+v", items)
	}
	usage, err := c.UsageBatch(t.Context(), []tableau.ContentRef{{LUID: "w1", Type: "workbook"}, {LUID: "w2", Type: "workbook"}})
	if e, ok := errors.AsType[*tableau.Error](err); !ok || e.Status != 404 || len(usage) != 1 || usage[0].Usage.Total != 5 {
		t.Errorf("usage %+v, %v", usage, err)
	}
	if got := collect(t, c.Paginate(t.Context(), get("/api/-/pulse/metrics"))); len(got) != 2 {
		t.Errorf("metrics %s", got)
	}
	if got := collect(t, c.Paginate(t.Context(), get("/sites/{siteId}/workbooks"))); len(got) != 1 {
		t.Errorf("workbooks %s", got)
	}
}
