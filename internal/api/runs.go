package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/workflow"
)

// Runs does what needs more than the rows of runs.
type Runs interface {
	Cancel(ctx context.Context, who identity.Actor, id string) (workflow.Run, error)
	// Retry makes a new run for what one did not carry out.
	Retry(ctx context.Context, who identity.Actor, id string) (workflow.Run, error)
	Try(ctx context.Context, who identity.Actor, t workflow.Trial) (workflow.TrialReport, error)
}

func (s *server) runs() {
	register(s, http.MethodPost, "/runs/{id}/cancel", "cancel-run", "End a run between two of its steps", http.StatusOK, s.cancelRun)
	register(s, http.MethodGet, "/runs/{id}/watch", "watch-run", "Show one run as soon as it has changed", http.StatusOK, s.watchRun)
	register(s, http.MethodPost, "/workflows/{id}/test", "test-workflow", "Run a draft or a version with what it would change held back", http.StatusOK, s.testWorkflow)
}

func (s *server) cancelRun(ctx context.Context, who identity.Actor, in *one) (*body[wire.Run], error) {
	r, err := s.Runs.Cancel(ctx, who, in.ID)
	if err != nil {
		return nil, err
	}
	return s.seenRun(ctx, who, r)
}

type watched struct {
	ID       string `path:"id"`
	Revision string `query:"revision" doc:"Of the run as it was seen last"`
	Seconds  int    `query:"seconds" default:"25" minimum:"0" maximum:"30" doc:"At most so long"`
}

func (s *server) watchRun(ctx context.Context, who identity.Actor, in *watched) (*body[wire.Run], error) {
	if err := who.Need(identity.ScopeAccessRead); err != nil {
		return nil, err
	}
	r, steps, err := s.Workflows.Watch(ctx, who, in.ID, in.Revision, time.Duration(in.Seconds)*time.Second)
	if err != nil {
		return nil, err
	}
	return answer(runWithSteps(r, steps)), nil
}

func runWithSteps(r workflow.Run, steps []workflow.Step) wire.Run {
	out := runOf(r)
	out.Revision = workflow.Revision(r, steps)
	for _, step := range steps {
		out.Steps = append(out.Steps, stepOf(step))
	}
	for _, l := range workflow.Log(r, steps) {
		out.Log = append(out.Log, wire.LogLine{At: l.At, Level: l.Level, Text: l.Text, Step: l.Step})
	}
	return out
}

func runFacts(r workflow.Run) wire.RunFacts {
	t := r.State.Text()
	f := wire.RunFacts{
		StateWord: t.Word, StateSentence: t.Sentence, Next: []wire.Act{}, WaitsFor: r.WaitsFor, RetryOf: r.RetryOf, RetryNote: r.RetryNote(),
		CancelledBy: r.CancelledBy,
	}
	for _, a := range t.Next {
		f.Next = append(f.Next, wire.Act{Code: a.Code, Label: a.Word})
	}
	return f
}

func stepFacts(s workflow.Step) wire.StepFacts {
	t := s.Timing()
	ms := func(d time.Duration) float64 { return float64(d.Round(time.Microsecond)) / float64(time.Millisecond) }
	f := wire.StepFacts{Hidden: s.Hidden, ExchangeMS: ms(t.Exchange), CallMS: ms(t.Call), ReadBackMS: ms(t.ReadBack), WaitedMS: ms(t.Waited)}
	if s.Change != nil {
		f.Change = new(changeOf(*s.Change))
	}
	return f
}

func changeOf(c workflow.Change) wire.Change {
	return wire.Change{What: c.What, Before: c.Before, After: c.After, Method: c.Method, Path: c.Path, Body: c.Body, Held: c.Held}
}

func (s *server) retryRun(ctx context.Context, who identity.Actor, in *one) (*body[wire.Run], error) {
	r, err := s.Runs.Retry(ctx, who, in.ID)
	if err != nil {
		return nil, err
	}
	return s.seenRun(ctx, who, r)
}

// seenRun is a run as who may see it: at least its id.
func (s *server) seenRun(ctx context.Context, who identity.Actor, r workflow.Run) (*body[wire.Run], error) {
	seen, steps, err := s.Workflows.Run(ctx, who, r.ID)
	if errors.Is(err, fault.NotFound) {
		return answer(wire.Run{ID: r.ID, Kind: r.Kind, State: string(r.State), RunFacts: runFacts(r)}), nil
	}
	if err != nil {
		return nil, err
	}
	return answer(runWithSteps(seen, steps)), nil
}

type testIn struct {
	ID   string `path:"id"`
	Body wire.TestRun
}

func (s *server) testWorkflow(ctx context.Context, who identity.Actor, in *testIn) (*body[wire.TestReport], error) {
	report, err := s.Runs.Try(ctx, who, workflow.Trial{
		Workflow: in.ID, Version: in.Body.Version, Person: in.Body.PersonID, Role: in.Body.RoleID, Connection: in.Body.ConnectionID, Argument: in.Body.Argument,
	})
	if err != nil {
		return nil, err
	}
	out := wire.TestReport{State: string(workflow.RunDone), Output: report.Output, Changes: []wire.Change{}, Steps: []wire.Step{}, Log: append([]string{}, report.Log...)}
	if report.Problem.Message != "" {
		out.State, out.Problem, out.Output = string(workflow.RunFailed), faultOf(report.Problem), nil
	}
	for _, step := range report.Steps {
		out.Steps = append(out.Steps, stepOf(step))
	}
	for _, c := range report.Changes {
		out.Changes = append(out.Changes, changeOf(c))
	}
	if len(out.Output) == 0 && out.Problem == nil {
		out.Output = json.RawMessage("null")
	}
	return answer(out), nil
}
