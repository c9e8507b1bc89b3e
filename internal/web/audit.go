package web

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/web/ui"
)

func (s *site) auditPages() {
	s.get("/audit", administrators, s.auditLog)
	s.get("/audit/export", administrators, s.exportAudit)
	s.post("/audit/verify", administrators, s.verifyAudit)
}

// auditList is the audit log with its filter.
type auditList struct {
	dir     directory
	events  []audit.Event
	subject string
	text    string
	kind    string
	who     string // an e-mail address
	since   string
	until   string
	query   string // for the export
	next    string
}

// mayReadAudit refuses who may not read the audit log.
func (r *Request) mayReadAudit() error { return r.Actor.NeedAdmin(identity.ScopeAuditRead) }

// auditFilter reads the filter of the page's address.
func (s *site) auditFilter(r *Request, dir directory) audit.Filter {
	f := audit.Filter{Subject: r.Value("subject"), Text: r.Value("q")}
	if kind := r.Value("kind"); kind != "" {
		f.Kinds = []string{kind + "."}
	}
	if email := r.Value("who"); email != "" {
		f.Actor = "nobody" // unless there is somebody with the address
		if p, ok := dir.byEmail(email); ok {
			f.Actor = string(p.ID)
		}
	}
	if at, err := time.Parse("2006-01-02", r.Value("since")); err == nil {
		f.Since = at
	}
	if at, err := time.Parse("2006-01-02", r.Value("until")); err == nil {
		f.Until = at.Add(day)
	}
	f.Before, _ = strconv.ParseInt(r.Value("before"), 10, 64) // 0 is the newest
	return f
}

func (s *site) auditLog(r *Request) error {
	if err := r.mayReadAudit(); err != nil {
		return err
	}
	list := auditList{subject: r.Value("subject"), text: r.Value("q"), kind: r.Value("kind"), who: r.Value("who"), since: r.Value("since"), until: r.Value("until")}
	var err error
	if list.dir, err = s.directory(r.Context(), r.Actor); err != nil {
		return err
	}
	query := r.URL.Query()
	query.Del("before")
	list.query = query.Encode()
	f := s.auditFilter(r, list.dir)
	f.Limit = pageRows + 1
	if list.events, err = s.Audit.Events(r.Context(), f); err != nil {
		return err
	}
	if len(list.events) > pageRows {
		list.events = list.events[:pageRows]
		list.next = withQuery(r.URL, "before", strconv.FormatInt(list.events[pageRows-1].Seq, 10))
	}
	return r.Page(ui.Head{Title: "Audit log", Lead: "What happened and who did it. Each entry holds a keyed hash of itself and of the one before: what is altered is found."}, auditActs(list), auditView(list))
}

// verifyAudit walks the whole chain.
func (s *site) verifyAudit(r *Request) error {
	if err := r.mayReadAudit(); err != nil {
		return err
	}
	head, err := s.Audit.VerifyEvents(r.Context())
	if broken, ok := errors.AsType[*audit.BrokenError](err); ok {
		return r.DoneAs(ui.Alarm, "/audit", "%s", broken.Error())
	}
	if err != nil {
		return err
	}
	return r.Done("/audit", "Verified: %s hold, up to entry %d.", plural(int(head.Seq), "entry", "entries"), head.Seq)
}

func (s *site) exportAudit(r *Request) error {
	if err := r.mayReadAudit(); err != nil {
		return err
	}
	dir, err := s.directory(r.Context(), r.Actor)
	if err != nil {
		return err
	}
	f := s.auditFilter(r, dir)
	f.Limit = mostExported
	events, err := s.Audit.Events(r.Context(), f)
	if err != nil {
		return err
	}
	var b strings.Builder
	for _, e := range events {
		line, err := json.Marshal(exportedEvent{
			Number: e.Seq, At: e.At.UTC().Format(exportTime), Kind: string(e.Kind), By: dir.actor(e.Actor), ByID: e.Actor, About: e.Subject, Data: e.Data, Hash: e.Hash, Before: e.Prev,
		})
		if err != nil {
			return err
		}
		b.Write(line)
		b.WriteByte('\n')
	}
	return r.Download("margay-audit-"+r.Now.UTC().Format("2006-01-02")+".jsonl", "application/jsonl", []byte(b.String()))
}

// subjectHref is the page of what an event is about; "" when it has none.
func subjectHref(subject string) string {
	object, id, _ := strings.Cut(subject, ":")
	page := map[string]string{
		"request": "/requests/", "grant": "/access/", "person": "/people/", "group": "/groups/", "app": "/apps/", "policy": "/policies/", "profile": "/profiles/",
		"connection": "/connections/", "run": "/runs/", "workflow": "/workflows/", "task": "/tasks/", "batch": "/batches/",
	}[object]
	if page == "" || id == "" {
		return ""
	}
	return page + id
}
