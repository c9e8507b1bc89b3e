package workflow

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

// Seen is which runs somebody may see: those that are for them or that they
// started, and those of the apps that they own.
type Seen struct {
	Person string
	Apps   []string // ids
}

// seen returns which runs who may see; nil is all.
func (s *Service) seen(ctx context.Context, who identity.Actor) (*Seen, error) {
	if who.Admin || who.IsSystem() {
		return nil, nil
	}
	seen := Seen{Person: string(who.Person)}
	if s.around.Apps == nil {
		return &seen, nil
	}
	var err error
	seen.Apps, err = s.around.Apps(ctx, who)
	return &seen, err
}

// Run returns one run with its steps, if who may see it. What steps were asked
// and answered names other people too: administrators and the owners of the
// run's app see it, whom the run is for sees the steps without it.
func (s *Service) Run(ctx context.Context, who identity.Actor, id string) (Run, []Step, error) {
	seen, err := s.seen(ctx, who)
	if err != nil {
		return Run{}, nil, err
	}
	r, err := s.store.Run(ctx, id)
	if err != nil {
		return Run{}, nil, err
	}
	whole := seen == nil
	if !whole && len(seen.Apps) > 0 {
		owned, err := s.store.Runs(ctx, RunFilter{ID: id, Seen: &Seen{Apps: seen.Apps}})
		if err != nil {
			return Run{}, nil, err
		}
		whole = len(owned) > 0
	}
	if !whole && (r.Person == "" || r.Person != seen.Person) {
		return Run{}, nil, NoRun(id)
	}
	steps, err := s.store.Steps(ctx, id)
	if !whole {
		return r.shown().forItsPerson(), each(steps, r.stepForItsPerson), err
	}
	return r.shown(), each(steps, Step.shown), err
}

// NoRun says that there is no run that one may see.
func NoRun(id string) error {
	return fault.New(fault.NotFound, "There is no run %s.", id).WithCode("run_missing")
}

// Listed is a run as a list shows it, without its log, and what it is for.
type Listed struct {
	Run

	App  string // whose access it is for, or is asked for; "": no app's
	Role string // that its grant gives; "": it is for none
}

// Runs returns the runs that who may see, newest first, without their logs.
func (s *Service) Runs(ctx context.Context, who identity.Actor, f RunFilter) ([]Run, error) {
	f.Whole = true
	listed, err := s.List(ctx, who, f)
	runs := make([]Run, len(listed))
	for i, l := range listed {
		runs[i] = l.Run
	}
	return runs, err
}

// List is Runs as a list shows them: also without what they were told and what
// they returned.
func (s *Service) List(ctx context.Context, who identity.Actor, f RunFilter) (_ []Listed, err error) {
	if f.Seen, err = s.seen(ctx, who); err != nil {
		return nil, err
	}
	runs, err := s.store.Runs(ctx, f)
	for i, r := range runs {
		runs[i].Run = r.shown()
		if f.Seen != nil && (r.App == "" || !slices.Contains(f.Seen.Apps, r.App)) {
			runs[i].Run = r.shown().forItsPerson()
		}
	}
	return runs, err
}

// Tally is how many runs of a workflow are in a state.
type Tally struct {
	Workflow string
	State    RunState
	Runs     int
}

// Count is how many runs are in a state, up to a number.
type Count struct {
	State RunState
	Runs  int
	More  bool // than that
}

// Counts counts the runs that who may see by state, each up to most: that is read
// in little time however many there are. A state that none is in is left out.
func (s *Service) Counts(ctx context.Context, who identity.Actor, f RunFilter, most int) (_ []Count, err error) {
	if f.Seen, err = s.seen(ctx, who); err != nil {
		return nil, err
	}
	var states []RunState
	for _, t := range RunStates() {
		if s := RunState(t.Code); (f.State == "" || f.State == s) && (len(f.States) == 0 || slices.Contains(f.States, s)) {
			states = append(states, s)
		}
	}
	f.State, f.States = "", states
	numbers, err := s.store.CountRuns(ctx, f, most+1)
	if err != nil {
		return nil, err
	}
	var counts []Count
	for i, n := range numbers {
		if n > 0 {
			counts = append(counts, Count{states[i], min(n, most), n > most})
		}
	}
	return counts, nil
}

// Tallies counts the runs that who may see, by workflow and state.
func (s *Service) Tallies(ctx context.Context, who identity.Actor, f RunFilter) (_ []Tally, err error) {
	if f.Seen, err = s.seen(ctx, who); err != nil {
		return nil, err
	}
	return s.store.Tallies(ctx, f)
}

func each(steps []Step, change func(Step) Step) []Step {
	for i, s := range steps {
		steps[i] = change(s)
	}
	return steps
}

// forItsPerson is the run as whom it is for, or who started it, sees it: the
// sentence that says why it failed, and not the words of the engine or of the
// other system, which are for those who can do something about them. The log and
// the result of a run that somebody started are for them; of the others they see
// what the result says of themselves.
func (r Run) forItsPerson() Run {
	r.Problem = r.Problem.forPeople()
	if r.Kind != KindManual {
		r.Log, r.Output = nil, declared(r.Output)
	}
	return r
}

// forPeople is why something failed without what only its authors understand.
func (p Problem) forPeople() Problem {
	p.Detail, p.Where = "", ""
	if p.Code == codeMistake {
		p.Message, p.Hint = Mistaken, ""
	}
	return p
}

// declared keeps what the types of the results of workflows declare: what else a
// workflow returns is its author's, and may name anybody.
func declared(output string) string {
	var said map[string]json.RawMessage
	if output == "" || json.Unmarshal([]byte(output), &said) != nil {
		return ""
	}
	maps.DeleteFunc(said, func(name string, _ json.RawMessage) bool {
		return !slices.Contains([]string{"role", "changed", "note", "externalUserId", "before", "decision", "reason"}, name)
	})
	kept, err := json.Marshal(said)
	if err != nil {
		return ""
	}
	return string(kept)
}

// stepForItsPerson is a step of the run without what it was asked and answered.
func (r Run) stepForItsPerson(s Step) Step {
	s.Hidden, s.Input, s.Output, s.Problem = true, "", "", s.Problem.forPeople()
	if r.Kind != KindManual {
		s.Log = nil
	}
	s.Calls = slices.Clone(s.Calls)
	for i, c := range s.Calls {
		s.Calls[i].Path, _, _ = strings.Cut(c.Path, "?") // a search names whom it is for
		s.Calls[i].Err = ""                              // as the network said it, with the whole address
	}
	if s.Change != nil {
		c := *s.Change
		c.Path, _, _ = strings.Cut(c.Path, "?")
		if c.Body = ""; r.Grant == "" { // what is changed is somebody else's
			c.What, c.Before, c.After = "", "", ""
		}
		s.Change = &c
	}
	return s
}

// shown is the run as it is shown: without secrets in what it was told and what
// it returned; what it says is cleaned as it is kept.
func (r Run) shown() Run {
	r.Input, r.Output = withoutSecrets(r.Input), withoutSecrets(r.Output)
	return r
}

// shown is a step as it is shown to those who may see what it was asked and
// answered: without secrets.
func (s Step) shown() Step {
	s.Input, s.Output = withoutSecrets(s.Input), withoutSecrets(s.Output)
	if s.Change != nil {
		c := *s.Change
		c.Body = withoutSecrets(c.Body)
		s.Change = &c
	}
	return s
}
