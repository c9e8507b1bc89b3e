package tableautest

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"
)

// upload is a file that is being sent in chunks.
type upload struct {
	by   string // id of the user who started it
	data []byte
}

// part is one part of a multipart body.
type part struct {
	media, file string
	data        []byte
}

// parts reads a multipart/mixed body. Any other type is refused, form-data
// among them.
func (c *call) parts() (map[string]part, *failure) {
	contentType := c.r.Header.Get("Content-Type")
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil || media != "multipart/mixed" {
		return nil, fail("406000", "Content type '"+contentType+"' not supported")
	}
	r := multipart.NewReader(bytes.NewReader(c.raw), params["boundary"])
	out := map[string]part{}
	for {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fail("400000")
		}
		data, err := io.ReadAll(p)
		if err != nil {
			return nil, fail("400000")
		}
		_, disp, _ := mime.ParseMediaType(p.Header.Get("Content-Disposition"))
		if disp == nil {
			// Some clients leave the disposition type out.
			_, disp, _ = mime.ParseMediaType("form-data; " + p.Header.Get("Content-Disposition"))
		}
		out[disp["name"]] = part{media: p.Header.Get("Content-Type"), file: disp["filename"], data: data}
	}
}

func (c *call) initiateUpload() (answer, *failure) {
	if !canPublish(c.user.role) {
		return answer{}, fail("403015")
	}
	id := strconv.Itoa(7000+len(c.site.uploads)) + ":" + strings.ReplaceAll(c.in.luid(), "-", "") + "-1:0"
	c.site.uploads[id] = &upload{by: c.user.id}
	return answer{status: http.StatusCreated, kids: []elem{el("fileUpload", "uploadSessionId", id).num("fileSize", 0)}}, nil
}

func (c *call) appendUpload() (answer, *failure) {
	id := c.param("uploadSessionId")
	up := c.site.uploads[id]
	switch {
	case up == nil:
		return answer{}, fail("404015")
	case up.by != c.user.id:
		return answer{}, fail("403016")
	}
	parts, f := c.parts()
	if f != nil {
		return answer{}, f
	}
	file, found := parts["tableau_file"]
	switch {
	case len(bytes.TrimSpace(parts["request_payload"].data)) > 0:
		return answer{}, fail("400019")
	case !found:
		return answer{}, fail("400020")
	case len(file.data) > maxBody:
		return answer{}, fail("400016")
	}
	up.data = append(up.data, file.data...)
	return ok(el("fileUpload", "uploadSessionId", id).num("fileSize", (len(up.data)+1<<20-1)>>20)), nil
}

// published is what a publish request brings.
type published struct {
	what     elem // the workbook, datasource or flow of the payload
	file     []byte
	fileType string
}

// readPublish reads a publish request: a payload, and a file that is a part of
// it or was uploaded before.
func (c *call) readPublish(tag, filePart, typeParam string) (published, *failure) {
	parts, f := c.parts()
	if f != nil {
		return published{}, f
	}
	payload := parts["request_payload"]
	form, known := requestFormat(payload.media)
	if !known {
		form = asXML
	}
	body, err := decode(form, payload.data)
	if err != nil {
		return published{}, fail("400000")
	}
	c.entry.Body = c.entry.bodyOf(body)
	p := published{fileType: c.query.Get(typeParam)}
	var found bool
	if p.what, found = body.child(tag); !found || p.what.val("name") == "" {
		return published{}, fail("400000")
	}
	if id := c.query.Get("uploadSessionId"); id != "" {
		up := c.site.uploads[id]
		if up == nil {
			return published{}, fail("404015")
		}
		p.file = up.data
		delete(c.site.uploads, id)
		if p.fileType == "" {
			return published{}, fail("400000")
		}
		return p, nil
	}
	file, found := parts[filePart]
	if !found {
		return published{}, fail("400020")
	}
	if _, ext, ok := strings.Cut(file.file, "."); ok && p.fileType == "" {
		p.fileType = ext[strings.LastIndexByte(ext, '.')+1:]
	}
	p.file = file.data
	return p, nil
}
