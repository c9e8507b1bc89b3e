package tableautest_test

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/margay-access/margay/tableau/tableautest"
)

// mixed makes a multipart/mixed body of parts given as name and content; a
// name may have a file name behind a slash.
func mixed(t *testing.T, parts ...string) (body, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i+1 < len(parts); i += 2 {
		name, file, _ := strings.Cut(parts[i], "/")
		h := textproto.MIMEHeader{"Content-Disposition": {fmt.Sprintf(`name="%s"`, name)}, "Content-Type": {"text/xml"}}
		if file != "" {
			h.Set("Content-Disposition", fmt.Sprintf(`name="%s"; filename="%s"`, name, file))
			h.Set("Content-Type", "application/octet-stream")
		}
		p, err := w.CreatePart(h)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = p.Write([]byte(parts[i+1]))
	}
	_ = w.Close()
	return b.String(), "multipart/mixed; boundary=" + w.Boundary()
}

func (c *client) sendParts(method, rest string, parts ...string) reply {
	c.t.Helper()
	body, contentType := mixed(c.t, parts...)
	return c.do(method, c.path(rest), body, "Content-Type", contentType)
}

const bookPayload = `<tsRequest><workbook name="Pack" showTabs="true"/></tsRequest>`

func TestUploadOfAnother(t *testing.T) {
	// ref: errors: append-to-file-upload 403016
	t.Parallel()
	w := newWorld(t, tableautest.Config{})
	w.site.AddPAT(w.bo, "bo", "bo-secret")
	var up struct {
		FileUpload struct{ UploadSessionID string }
	}
	c := signedIn(t, w.site)
	c.do(http.MethodPost, c.path("fileUploads"), "").want(http.StatusCreated, "").decode(&up)

	other := &client{t: t, h: w.site, api: "/api/3.24"}
	other.signIn("bo", "bo-secret", w.site.ContentURL())
	other.sendParts(http.MethodPut, "fileUploads/"+up.FileUpload.UploadSessionID, "request_payload", "", "tableau_file/x", "data").
		want(http.StatusForbidden, "403016")
}

func TestPublish(t *testing.T) {
	// ref: "7.5 File upload"
	t.Parallel()
	s, _ := newSite(t, tableautest.Config{})
	c := signedIn(t, s)
	const file = "workbook bytes"

	started := c.do(http.MethodPost, c.path("fileUploads"), "").want(http.StatusCreated, "")
	var up struct {
		FileUpload struct{ UploadSessionID string }
	}
	started.decode(&up)
	id := up.FileUpload.UploadSessionID
	r := c.sendParts(http.MethodPut, "fileUploads/"+id, "request_payload", "", "tableau_file/x", file).want(http.StatusOK, "")
	if !strings.Contains(r.Body.String(), `"fileSize":"1"`) {
		t.Errorf("append: %s", r.Body)
	}
	c.sendParts(http.MethodPut, "fileUploads/"+id, "request_payload", "x", "tableau_file/x", file).want(http.StatusBadRequest, "400019")
	c.sendParts(http.MethodPut, "fileUploads/"+id, "request_payload", "").want(http.StatusBadRequest, "400020")

	r = c.sendParts(http.MethodPost, "workbooks?workbookType=twbx&uploadSessionId="+id, "request_payload", bookPayload).want(http.StatusCreated, "")
	var published struct {
		Workbook struct{ ID, Name, ShowTabs string }
	}
	r.decode(&published)
	if published.Workbook.Name != "Pack" || published.Workbook.ShowTabs != "true" {
		t.Errorf("published %+v", published)
	}
	got := c.get("workbooks/"+published.Workbook.ID+"/content").want(http.StatusOK, "")
	if got.Body.String() != file {
		t.Errorf("downloaded %q", got.Body)
	}
	// ref: "8.23 Content-Disposition: name=...; filename=..."
	if d := got.Header().Get("Content-Disposition"); d != `name="tableau_workbook"; filename="Pack.twbx"` {
		t.Errorf("Content-Disposition %q", d)
	}

	c.sendParts(http.MethodPost, "workbooks", "request_payload", bookPayload, "tableau_workbook/Pack.twbx", "two").want(http.StatusForbidden, "403007")
	job := c.sendParts(http.MethodPost, "workbooks?overwrite=true&asJob=true", "request_payload", bookPayload, "tableau_workbook/Pack.twbx", "two").
		want(http.StatusAccepted, "")
	if !strings.Contains(job.Body.String(), `"finishCode":"1"`) { // ref: "8.22"
		t.Errorf("job: %s", job.Body)
	}
	revisions := c.get("workbooks/"+published.Workbook.ID+"/revisions").want(http.StatusOK, "").Body.String()
	if !strings.Contains(revisions, `"revisionNumber":"2"`) {
		t.Errorf("revisions: %s", revisions)
	}
	if got := c.get("workbooks/"+published.Workbook.ID+"/revisions/1/content").want(http.StatusOK, "").Body.String(); got != file {
		t.Errorf("revision 1 is %q", got)
	}
	// ref: "8.26 the current revision cannot be read through /revisions/{n}"
	c.get("workbooks/"+published.Workbook.ID+"/revisions/2/content").want(http.StatusForbidden, "403055")

	// ref: "1.1 multipart/form-data is refused with 406000"
	body, contentType := mixed(t, "request_payload", bookPayload)
	c.do(http.MethodPost, c.path("workbooks"), body, "Content-Type", strings.Replace(contentType, "mixed", "form-data", 1)).
		want(http.StatusNotAcceptable, "406000")
}

func TestUsersByCSV(t *testing.T) {
	// ref: "3.9 Bulk by CSV"
	t.Parallel()
	s, _ := newSite(t, tableautest.Config{})
	c := signedIn(t, s)
	const rows = "new@acme.example,,New One,Creator,Site,1,new@acme.example\nbad@acme.example,,,Boss,None,0,\n"

	r := c.sendParts(http.MethodPost, "users/import", "request_payload", "<tsRequest/>", "tableau_user_import/u.csv", rows).want(http.StatusOK, "")
	var a struct {
		Job struct{ ID, Type, FinishCode string }
	}
	r.decode(&a)
	if a.Job.Type != "UserImport" || a.Job.FinishCode != "1" {
		t.Errorf("job %+v", a.Job)
	}
	job := c.get("jobs/"+a.Job.ID).want(http.StatusOK, "").Body.String()
	if !strings.Contains(job, "USER_CSV_INVALID_LICENSE") || !strings.Contains(job, `"completedAt"`) {
		t.Errorf("job: %s", job)
	}
	wantRole(t, s.User("new@acme.example"), tableautest.RoleSiteAdministratorCreator)

	c.sendParts(http.MethodPost, "users/delete", "tableau_user_delete/u.csv", "new@acme.example\n").want(http.StatusOK, "")
	if s.User("new@acme.example") != nil {
		t.Error("the user is still there")
	}
}

func TestJobsTakeTheirTime(t *testing.T) {
	// ref: "7.4 Jobs"
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s, boss := newSite(t, tableautest.Config{JobTime: time.Minute, Now: func() time.Time { return now }})
	book := s.AddContent("workbook", "Book", boss)
	c := signedIn(t, s)
	start := func() string {
		var a struct{ Job struct{ ID string } }
		c.do(http.MethodPost, c.path("workbooks/"+book.ID()+"/refresh"), "{}").want(http.StatusAccepted, "").decode(&a)
		return a.Job.ID
	}
	one, two := start(), start()

	c.do(http.MethodPut, c.path("jobs/"+two), "").want(http.StatusNoContent, "")
	for id, want := range map[string]string{one: `"finishCode":"1"`, two: `"finishCode":"2"`} {
		if got := c.get("jobs/" + id).Body.String(); !strings.Contains(got, want) || strings.Contains(got, "completedAt") != (id == two) {
			t.Errorf("%s is missing in %s", want, got)
		}
	}
	s.Advance(time.Minute)
	if got := c.get("jobs/" + one).Body.String(); !strings.Contains(got, `"finishCode":"0"`) || !strings.Contains(got, `"progress":"100"`) {
		t.Errorf("finished job: %s", got)
	}
	c.do(http.MethodPut, c.path("jobs/"+one), "").want(http.StatusForbidden, "403091")
	if got := c.get("jobs?filter=status:eq:Cancelled").Body.String(); !strings.Contains(got, two) || strings.Contains(got, one) {
		t.Errorf("jobs: %s", got)
	}
}

func TestThrottle(t *testing.T) {
	// ref: "7.1 Get Users on Site 3 000 / minute; 429, code 429000; HTML possible; Retry-After may be absent"
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s, _ := newSite(t, tableautest.Config{Now: func() time.Time { return now }})
	c := signedIn(t, s)
	for range 3000 {
		c.get("users?pageSize=1")
	}
	if r := c.get("users?pageSize=1").want(http.StatusTooManyRequests, "429000"); r.Header().Get("Retry-After") != "" {
		t.Error("Retry-After was sent unasked")
	}
	c.get("groups").want(http.StatusOK, "")
	s.Advance(time.Minute)
	c.get("users?pageSize=1").want(http.StatusOK, "")

	s.SetLimits(tableautest.Limit{Count: 1, Per: 30 * time.Second, HTML: true, RetryAfter: true})
	c.get("groups").want(http.StatusOK, "")
	r := c.get("groups")
	if r.Code != http.StatusTooManyRequests || r.Header().Get("Retry-After") != "30" || !strings.Contains(r.Body.String(), "<html>") {
		t.Errorf("got %d %v %s", r.Code, r.Header(), r.Body)
	}

	free, _ := newSite(t, server)
	c = signedIn(t, free)
	for range 3001 {
		c.get("users?pageSize=1").want(http.StatusOK, "")
	}
}
