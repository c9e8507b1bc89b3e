package web

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/margay-access/margay/internal/export"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/workflow"
)

// runRecord is one run as it is exported.
type runRecord struct {
	Run        string `json:"run"`
	State      string `json:"state"`
	Kind       string `json:"kind"`
	Workflow   string `json:"workflow"`
	Version    string `json:"workflow_version"`
	Person     string `json:"person"`
	Email      string `json:"email"`
	Role       string `json:"role"`
	Grant      string `json:"grant"`
	Request    string `json:"request"`
	CausedBy   string `json:"caused_by"`
	Attempt    int    `json:"attempt"`
	Queued     string `json:"queued"`
	NextTry    string `json:"next_try"`
	Started    string `json:"started"`
	Ended      string `json:"ended"`
	Problem    string `json:"problem"`
	Code       string `json:"code"`
	Place      string `json:"place"`
	RetryOf    string `json:"retry_of"`
	CancelledB string `json:"cancelled_by"`
}

var runColumns = []string{
	"run", "state", "kind", "workflow", "workflow_version", "person", "email", "role", "grant", "request", "caused_by", "attempt", "queued", "next_try", "started",
	"ended", "problem", "code", "place", "retry_of", "cancelled_by",
}

func (o runRecord) cells() []string {
	return []string{
		o.Run, o.State, o.Kind, o.Workflow, o.Version, o.Person, o.Email, o.Role, o.Grant, o.Request, o.CausedBy, strconv.Itoa(o.Attempt), o.Queued, o.NextTry,
		o.Started, o.Ended, o.Problem, o.Code, o.Place, o.RetryOf, o.CancelledB,
	}
}

func recordOf(l runRows, r workflow.Listed) runRecord {
	o := runRecord{
		Run: r.ID, State: r.State.Text().Word, Kind: kindText(r.Kind), Workflow: l.names[r.Workflow], Version: r.Version, Role: r.Role, Grant: r.Grant, Request: r.Request,
		CausedBy: l.dir.triggerText(r.Trigger), Attempt: r.Attempt, Queued: stamp(r.QueuedAt), NextTry: stamp(r.NotBefore), Started: stamp(r.StartedAt), Ended: stamp(r.EndedAt),
		Problem: r.Problem.Message, Code: r.Problem.Code, Place: r.Problem.Where, RetryOf: r.RetryOf,
	}
	if r.Person != "" {
		o.Person, o.Email = l.dir.person(identity.PersonID(r.Person)), l.dir.people[identity.PersonID(r.Person)].Email
	}
	if r.CancelledBy != "" {
		o.CancelledB = l.dir.actor(r.CancelledBy)
	}
	return o
}

// exportRuns answers with exactly the filtered runs.
func (s *site) exportRuns(r *Request) error {
	l, f, err := s.runRows(r)
	if err != nil {
		return err
	}
	if !l.unknown {
		f.Limit, f.Before = mostExported+1, ""
		if l.rows, err = s.Workflows.List(r.Context(), r.Actor, f); err != nil {
			return err
		}
	}
	if len(l.rows) > mostExported {
		return fault.New(fault.Invalid, "More than %d rows match: narrow the filters, or export from the command line.", mostExported).WithCode("too_many_rows").
			WithHint("Such as: margay run list --all -o csv")
	}
	rows := make([]runRecord, len(l.rows))
	for i, row := range l.rows {
		rows[i] = recordOf(l, row)
	}
	name := "margay-runs-" + r.Now.UTC().Format("2006-01-02")
	if r.Value("format") == "json" {
		b, err := json.MarshalIndent(map[string]any{"items": rows}, "", "  ")
		if err != nil {
			return err
		}
		return r.Download(name+".json", "application/json", b)
	}
	var b bytes.Buffer
	w := export.NewCSV(&b)
	errs := w.Write(runColumns...)
	for _, o := range rows {
		if errs == nil {
			errs = w.Write(o.cells()...)
		}
	}
	if errs == nil {
		errs = w.Flush()
	}
	if errs != nil {
		return errs
	}
	return r.Download(name+".csv", "text/csv", b.Bytes())
}
