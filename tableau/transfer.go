package tableau

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ChunkSize is how much of a file is sent at a time; Tableau takes up to 64 MB.
const ChunkSize = 16 << 20

// Progress is told how much of a transfer is done. Total is -1 when it is not
// known.
type Progress func(done, total int64)

// Upload brings a file to the site, chunk by chunk, and returns the id of the
// upload session, for the uploadSessionId parameter of a publishing call or
// [Client.Publish]. Memory holds one chunk. A chunk whose answer was lost is
// not sent again, because Tableau would append it twice: the upload fails.
//
//tableau:operation POST sites/{site}/fileUploads
//tableau:operation PUT sites/{site}/fileUploads/{upload}
func (c *Client) Upload(ctx context.Context, file io.Reader, size int64, progress Progress) (uploadID string, err error) {
	release := c.Hold(ctx)
	defer release()
	type upload struct {
		FileUpload struct {
			ID text `json:"uploadSessionId"`
		} `json:"fileUpload"`
	}
	u, err := call[upload](ctx, c, Request{Method: http.MethodPost, Path: "/sites/{siteId}/fileUploads", Op: "InitiateFileUpload"})
	if err != nil {
		return "", err
	}
	path, err := sitePath("fileUploads", string(u.FileUpload.ID))
	if err != nil {
		return "", &NotTableauError{Op: "InitiateFileUpload", Status: http.StatusCreated, Excerpt: "the answer names no upload session"}
	}
	var sent int64
	buf := make([]byte, min(ChunkSize, max(size, 0)+1))
	if size < 0 {
		buf = make([]byte, ChunkSize)
	}
	for {
		n, err := io.ReadFull(file, buf)
		if n > 0 {
			body, kind, merr := mixed(nil, part{name: "tableau_file", filename: "chunk", data: buf[:n]})
			if merr != nil {
				return "", merr
			}
			if _, err := call[upload](ctx, c, Request{
				Method: http.MethodPut, Path: path, Header: http.Header{"Content-Type": {kind}}, Body: body,
				Op: "AppendToFileUpload", Timeout: 10 * CallTimeout,
			}); err != nil {
				return "", err
			}
			if sent += int64(n); progress != nil {
				progress(sent, size)
			}
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			if size >= 0 && sent != size {
				return "", fmt.Errorf("upload: the file has %d bytes, not %d: %w", sent, size, io.ErrUnexpectedEOF)
			}
			return string(u.FileUpload.ID), nil
		case err != nil:
			return "", fmt.Errorf("upload: read the file: %w", err)
		}
	}
}

// Publication says what an uploaded file becomes.
type Publication struct {
	Kind      string // workbooks, datasources or flows
	FileType  string // twb, twbx, tds, tdsx, hyper, tde, tfl, tflx
	Name      string
	ProjectID string // "" for the default project
	Overwrite bool
	// Options are further parameters of the publishing call.
	Options url.Values
}

// Publish makes content of an uploaded file, and returns Tableau's answer. It
// waits for Tableau to finish; with the option asJob=true it answers with a
// job, for [Client.WaitJob].
//
//tableau:operation POST sites/{site}/workbooks
//tableau:operation POST sites/{site}/datasources
//tableau:operation POST sites/{site}/flows
func (c *Client) Publish(ctx context.Context, uploadID string, p Publication) (*Response, error) {
	noun, ok := strings.CutSuffix(p.Kind, "s")
	if !ok || noun != "workbook" && noun != "datasource" && noun != "flow" {
		return nil, refuse("%q cannot be published; it must be workbooks, datasources or flows", p.Kind)
	}
	payload, err := xmlPayload(noun, p.Name, p.ProjectID)
	if err != nil {
		return nil, err
	}
	body, kind, err := mixed(payload)
	if err != nil {
		return nil, err
	}
	q := url.Values{"uploadSessionId": {uploadID}, noun + "Type": {p.FileType}, "overwrite": {strconv.FormatBool(p.Overwrite)}}
	maps.Copy(q, p.Options)
	resp, err := c.Do(ctx, Request{
		Method: http.MethodPost, Path: "/sites/{siteId}/" + p.Kind, Query: q, Body: body,
		Header: http.Header{"Content-Type": {kind}}, Op: "Publish", Timeout: 10 * CallTimeout,
	})
	if err != nil {
		return nil, err
	}
	return resp, resp.Err()
}

// part is one part of a multipart/mixed body.
type part struct {
	name, filename string
	data           []byte
}

// mixed returns a multipart/mixed body as Tableau's publishing methods take
// it; multipart/form-data is refused with 406000.
func mixed(payload []byte, parts ...part) (body []byte, contentType string, err error) {
	size := len(payload) + 1<<10
	for _, p := range parts {
		size += len(p.data)
	}
	buf := bytes.NewBuffer(make([]byte, 0, size))
	w := multipart.NewWriter(buf)
	if err := w.SetBoundary("margin-" + rand.Text()); err != nil {
		return nil, "", fmt.Errorf("multipart boundary: %w", err)
	}
	parts = append([]part{{name: "request_payload", data: payload}}, parts...)
	for _, p := range parts {
		h := textproto.MIMEHeader{}
		disposition, kind := map[string]string{"name": p.name}, "text/xml"
		if p.filename != "" {
			disposition["filename"], kind = p.filename, "application/octet-stream"
		}
		h.Set("Content-Disposition", quotedDisposition(disposition))
		h.Set("Content-Type", kind)
		pw, err := w.CreatePart(h)
		if err != nil {
			return nil, "", fmt.Errorf("multipart body: %w", err)
		}
		if _, err := pw.Write(p.data); err != nil {
			return nil, "", fmt.Errorf("multipart body: %w", err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, "", fmt.Errorf("multipart body: %w", err)
	}
	return buf.Bytes(), "multipart/mixed; boundary=" + w.Boundary(), nil
}

// quotedDisposition writes names in quotes, as Tableau's examples have them.
func quotedDisposition(d map[string]string) string {
	s := fmt.Sprintf("name=%q", d["name"])
	if f := d["filename"]; f != "" {
		s += fmt.Sprintf("; filename=%q", f)
	}
	return s
}

// Download writes what a GET answers to w, piece by piece, and returns the
// name that Tableau gives the file, without any folder; "" when it gives none.
func (c *Client) Download(ctx context.Context, r Request, w io.Writer, progress Progress) (name string, err error) {
	r.Method = http.MethodGet
	r.Into = w
	if progress != nil {
		r.Into = &progressWriter{w: w, progress: progress}
	}
	if r.Header.Get("Accept") == "" {
		r.Header = r.Header.Clone()
		if r.Header == nil {
			r.Header = http.Header{}
		}
		r.Header.Set("Accept", "*/*")
	}
	resp, err := c.Do(ctx, r)
	if err != nil {
		return "", err
	}
	return fileName(resp.Header.Get("Content-Disposition")), resp.Err()
}

// DownloadFile is Download into a file, which appears under path only when it
// is whole.
func (c *Client) DownloadFile(ctx context.Context, r Request, path string, progress Progress) (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".download-*")
	if err != nil {
		return "", fmt.Errorf("download: %w", err)
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	name, err = c.Download(ctx, r, f, progress)
	if err != nil {
		return "", err
	}
	if err := f.Close(); err != nil {
		return "", fmt.Errorf("download: %w", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return "", fmt.Errorf("download: %w", err)
	}
	return name, nil
}

// watchedWriter knows whether something was written. Another try of the call
// would then write it twice.
type watchedWriter struct {
	w     io.Writer
	begun bool
}

func (c *watchedWriter) Write(b []byte) (int, error) {
	c.begun = true
	return c.w.Write(b) //nolint:wrapcheck // a writer returns its writer's error
}

type progressWriter struct {
	w        io.Writer
	done     int64
	progress Progress
}

func (p *progressWriter) Write(b []byte) (int, error) {
	n, err := p.w.Write(b)
	p.done += int64(n)
	p.progress(p.done, -1)
	return n, err //nolint:wrapcheck // a writer returns its writer's error
}

// fileName reads a Content-Disposition. Some of Tableau's answers carry only
// name="X.twbx", without a type or filename. The name is a stranger's: it
// never leads out of a folder.
func fileName(disposition string) string {
	if !strings.Contains(disposition, ";") || strings.HasPrefix(strings.TrimSpace(disposition), "name=") {
		disposition = "attachment; " + disposition
	}
	_, params, err := mime.ParseMediaType(disposition)
	if err != nil {
		return ""
	}
	name := params["filename"]
	if name == "" {
		name = params["name"]
	}
	name = clip([]byte(name), 255)
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	if name == "." || name == ".." {
		return ""
	}
	return name
}
