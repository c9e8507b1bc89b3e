package workflow

import (
	"context"
	"encoding/json"
	"time"

	"github.com/margay-access/margay/internal/identity"
)

// told is what a manual or scheduled workflow is told: ManualContext and
// ScheduledContext of the module "margay".
type told struct {
	Run          toldRun         `json:"run"`
	Workflow     toldWorkflow    `json:"workflow"`
	Person       *toldPerson     `json:"person,omitempty"`
	Inputs       json.RawMessage `json:"inputs,omitempty"`
	ScheduledFor *time.Time      `json:"scheduledFor,omitempty"`
}

type toldRun struct {
	ID      string `json:"id"`
	Kind    string `json:"kind"`
	Attempt int    `json:"attempt"`
}

type toldWorkflow struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Version int    `json:"version"`
}

type toldPerson struct {
	ID    string `json:"id"`
	Email string `json:"email"`
	Name  string `json:"name"`
}

// Argument returns what a manual or scheduled run's script is told.
func (s *Service) Argument(ctx context.Context, r Run) (json.RawMessage, error) {
	w, err := s.store.Workflow(ctx, r.Workflow)
	if err != nil {
		return nil, err
	}
	v, err := s.store.Version(ctx, r.Workflow, r.Version)
	if err != nil {
		return nil, err
	}
	var o occasion
	if err := json.Unmarshal([]byte(r.Input), &o); err != nil {
		return nil, err
	}
	t := told{
		Run: toldRun{ID: r.ID, Kind: r.Kind, Attempt: r.Attempt}, Workflow: toldWorkflow{ID: w.ID, Name: w.Name, Version: v.Number}, Inputs: o.Inputs,
	}
	if r.Kind == KindScheduled {
		t.ScheduledFor = &o.ScheduledFor
		return json.Marshal(t)
	}
	t.Person = &toldPerson{ID: r.Person}
	if s.around.Person != nil {
		p, err := s.around.Person(ctx, identity.PersonID(r.Person))
		if err != nil {
			return nil, err
		}
		t.Person.Email, t.Person.Name = p.Email, p.Name
	}
	return json.Marshal(t)
}
