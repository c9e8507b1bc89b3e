package tableau_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/margay-access/margay/tableau"
	"github.com/margay-access/margay/tableau/tableautest"
)

func TestUploadPublishDownload(t *testing.T) {
	t.Parallel()
	b := newBench(t, tableautest.Config{})
	file := bytes.Repeat([]byte("0123456789abcdef"), (tableau.ChunkSize+1000)/16)
	var steps []int64

	release := b.c.Hold(t.Context())
	id, err := b.c.Upload(t.Context(), bytes.NewReader(file), int64(len(file)), func(done, total int64) {
		if total != int64(len(file)) {
			t.Errorf("total %d", total)
		}
		steps = append(steps, done)
	})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := b.c.Publish(t.Context(), id, tableau.Publication{Kind: "workbooks", FileType: "twbx", Name: `Sales & "more" <1>`, ProjectID: project(t, b)})
	release()
	if err != nil {
		t.Fatal(err)
	}
	var made struct{ Workbook struct{ ID, Name string } }
	if err := json.Unmarshal(resp.Body, &made); err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(t.TempDir(), "sales.twbx")
	var last int64
	name, err := b.c.DownloadFile(t.Context(), get("/sites/{siteId}/workbooks/"+made.Workbook.ID+"/content"), target, func(done, _ int64) { last = done })
	if err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff([]int64{tableau.ChunkSize, int64(len(file))}, steps); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
	if made.Workbook.Name != `Sales & "more" <1>` || name == "" {
		t.Errorf("published %+v, downloaded %q", made, name)
	}
	got, err := os.ReadFile(target)
	if err != nil || !bytes.Equal(got, file) || last != int64(len(file)) {
		t.Errorf("downloaded %d bytes (progress %d), %v; want %d", len(got), last, err, len(file))
	}
}

func project(t *testing.T, b *bench) string {
	t.Helper()
	p := collect(t, b.c.Projects(t.Context(), nil))
	return p[0].ID
}

func TestUploadDoesNotAppendTwice(t *testing.T) {
	t.Parallel()
	b := newBench(t, tableautest.Config{})
	b.Fail(tableautest.Fault{Operation: "append-to-file-upload", Drop: tableautest.DropAfter})

	_, err := b.c.Upload(t.Context(), strings.NewReader("data"), 4, nil)

	if _, ok := errors.AsType[*tableau.NoAnswerError](err); !ok || b.count("append-to-file-upload", 0) != 1 {
		t.Errorf("got %v after %d appends", err, b.count("append-to-file-upload", 0))
	}
}

func TestDownloadThatBreaksOffLeavesNothing(t *testing.T) {
	t.Parallel()
	sent := 0
	c := faked(t, func(w http.ResponseWriter, _ *http.Request) {
		sent++
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, "the beginning")
	})
	dir := t.TempDir()

	_, err := c.DownloadFile(t.Context(), get("/sites/{siteId}/workbooks/w/content"), filepath.Join(dir, "w.twbx"), nil)

	left, _ := os.ReadDir(dir)
	if !errors.Is(err, tableau.ClassUnavailable) || len(left) != 0 || sent != 1 {
		t.Errorf("got %v, %d files, %d requests", err, len(left), sent)
	}
}

func TestDownloadNames(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		`name="tableau_workbook"; filename="X.twbx"`: "X.twbx",
		`name="X.twbx"`: "X.twbx",
		`attachment; filename="../../etc/passwd"`: "passwd",
		`attachment; filename="C:\\evil\\x.bat"`:  "x.bat",
		`attachment; filename=".."`:               "",
		``:                                        "",
		`attachment; filename*=UTF-8''%C3%BC.pdf`: "ü.pdf",
	} {
		c := faked(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Disposition", header) })
		got, err := c.Download(t.Context(), get("/x"), io.Discard, nil)
		if err != nil || got != want {
			t.Errorf("%s: got %q, %v; want %q", header, got, err, want)
		}
	}
}

func TestRequestBodyIsStreamed(t *testing.T) {
	t.Parallel()
	var got int64
	c := faked(t, func(w http.ResponseWriter, r *http.Request) {
		got, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusNoContent)
	})
	opened := 0

	resp, err := c.Do(t.Context(), tableau.Request{
		Method: http.MethodPut, Path: "/x", Header: http.Header{"Content-Type": {"application/octet-stream"}}, Length: 5 << 20,
		Open: func() (io.ReadCloser, error) {
			opened++
			return io.NopCloser(io.LimitReader(zeros{}, 5<<20)), nil
		},
	})

	if err != nil || resp.Status != http.StatusNoContent || got != 5<<20 || opened != 1 {
		t.Errorf("got %v, %v, %d bytes, opened %d times", resp, err, got, opened)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestWaitJob(t *testing.T) {
	// A job that was just created has finishCode 1, which is no failure yet.
	for name, tt := range map[string]struct {
		last string
		want tableau.Class
	}{
		"succeeds":  {`"progress":"100","finishCode":"0","completedAt":"2026-01-01T00:00:00Z"`, ""},
		"fails":     {`"progress":"100","finishCode":"1","completedAt":"2026-01-01T00:00:00Z","statusNotes":{"statusNote":[{"type":"x","text":"no such file"}]}`, tableau.ClassBadRequest},
		"cancelled": {`"progress":100,"finishCode":2,"completedAt":"2026-01-01T00:00:00Z"`, tableau.ClassCanceled},
	} {
		t.Run(name, func(t *testing.T) {
			var site *tableautest.Site
			inBubble(t, simulated(&site, tableautest.Config{}), func(t *testing.T, c *tableau.Client) {
				site.Fail(tableautest.Fault{Operation: "query-job", Times: 3, Body: `{"job":{"id":"j1","type":"UserImport","progress":"0","finishCode":"1","createdAt":"2026-01-01T00:00:00Z"}}`})
				site.Fail(tableautest.Fault{Operation: "query-job", Times: -1, Body: `{"job":{"id":"j1","type":"UserImport",` + tt.last + `}}`})
				var seen []int
				started := time.Now()

				j, err := c.WaitJob(t.Context(), "j1", func(j tableau.Job) { seen = append(seen, j.Progress) })

				if tableau.ClassOf(err) != tt.want || !j.Done() {
					t.Errorf("got %+v, %v", j, err)
				}
				if name == "fails" && !strings.Contains(err.Error(), "no such file") {
					t.Errorf("the note is not told: %v", err)
				}
				if diff := cmp.Diff([]int{0, 0, 0, 100}, seen); diff != "" || time.Since(started) > 10*time.Second {
					t.Errorf("after %s (-want +got):\n%s", time.Since(started), diff)
				}
			})
		})
	}
}

func TestPublishChecksItsKind(t *testing.T) {
	t.Parallel()
	b := newBench(t, tableautest.Config{})
	for _, kind := range []string{"", "users", "workbook", "../users"} {
		if _, err := b.c.Publish(t.Context(), "u", tableau.Publication{Kind: kind, Options: url.Values{"asJob": {"true"}}}); !errors.Is(err, tableau.ClassBadRequest) {
			t.Errorf("%q: %v", kind, err)
		}
	}
	if len(b.Journal()) != 0 {
		t.Error("something was sent")
	}
}
