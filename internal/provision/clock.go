package provision

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/engine"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/workflow"
)

const (
	// clockEvery is how often the clock is looked at. Access ends within 60 s of
	// its time; this leaves room for the run.
	clockEvery = time.Second
	// batch is how many grants are ended in one transaction.
	batch = 100
	// endsAtOnce is how many ends of one connection are handed to the engine before it
	// has done with the earlier ones: it takes what waits in no order, and the most
	// privileged are to end first.
	endsAtOnce = 100
	// patience is how long an end counts as one that the engine is about. With one
	// that does not get on, the others of its connection do not wait longer.
	patience = 20 * time.Second
	// mendEvery is how often runs are looked for that ended without a word.
	mendEvery = time.Minute
	// lapseEvery is how often requests are looked for that nobody decided in time.
	lapseEvery = 10 * time.Second
)

// Expire ends grants when their time is over, until ctx ends. It looks at our
// own database only; a system is called by the runs that it causes.
func (p *Provisioner) Expire(ctx context.Context) {
	ticker := time.NewTicker(clockEvery) //nolint:forbidigo // the one clock that ends access
	defer ticker.Stop()
	for tick := 0; ; tick++ {
		if tick%int(mendEvery/clockEvery) == 0 {
			if err := errors.Join(p.mend(ctx), p.mendAnswers(ctx), p.mendStarted(ctx), p.mendComparisons(ctx)); err != nil && ctx.Err() == nil {
				p.Log.ErrorContext(ctx, "runs that ended without a word could not be looked for; trying again", "error", err)
			}
		}
		if tick%int(lapseEvery/clockEvery) == 0 {
			if err := p.tellParked(ctx); err != nil && ctx.Err() == nil {
				p.Log.ErrorContext(ctx, "runs that this program cannot carry out could not be told so; trying again", "error", err)
			}
			if err := p.lapseOnce(ctx); err != nil && ctx.Err() == nil {
				p.Log.ErrorContext(ctx, "requests that nobody decided could not be ended; trying again", "error", err)
			}
		}
		p.byTheClock(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// byTheClock ends and begins what is due, unless nobody knows the time.
func (p *Provisioner) byTheClock(ctx context.Context) {
	if err := p.SetClock(ctx); err != nil {
		if ctx.Err() == nil {
			p.Log.ErrorContext(ctx, "the time could not be told: nothing is ended or begun; trying again", "error", err)
		}
		return
	}
	if err := p.expireOnce(ctx); err != nil && ctx.Err() == nil {
		p.Log.ErrorContext(ctx, "grants could not be ended; trying again", "error", err)
	}
	if err := p.beginOnce(ctx); err != nil && ctx.Err() == nil {
		p.Log.ErrorContext(ctx, "scheduled grants could not be begun; trying again", "error", err)
	}
}

func (p *Provisioner) expireOnce(ctx context.Context) error {
	for {
		due, err := p.Access.Due(ctx)
		if err != nil || !due {
			return err
		}
		n, err := p.Access.ExpirePaced(ctx, batch, access.Pace{Each: endsAtOnce, Since: p.Now().Add(-patience)})
		if err != nil || n == 0 {
			return err // the next look ends more
		}
	}
}

// tellParked notes of the runs whose job this program cannot do that they wait for
// one that can: else they would look as if their turn came next.
func (p *Provisioner) tellParked(ctx context.Context) error {
	jobs, err := p.jobs.List(ctx, engine.Filter{States: []engine.State{engine.Parked}})
	errs := []error{err}
	for _, j := range jobs {
		var t task
		if json.Unmarshal(j.Input, &t) == nil && t.Run != "" {
			errs = append(errs, p.Runs.WaitFor(ctx, t.Run, workflow.WaitsForProgram))
		}
	}
	return errors.Join(errs...)
}

// lapseOnce ends the requests that nobody decided in time.
func (p *Provisioner) lapseOnce(ctx context.Context) error {
	for {
		if n, err := p.Access.LapseDue(ctx, batch); err != nil || n < batch {
			return err
		}
	}
}

// beginOnce begins what is scheduled and due.
func (p *Provisioner) beginOnce(ctx context.Context) error {
	for {
		n, err := p.Access.BeginDue(ctx, batch)
		if err != nil || n < batch {
			return err
		}
	}
}

// errNoWord is the problem of a run whose job ended without reporting.
var errNoWord = fault.New(fault.Unavailable, "The run ended without saying what came of it.").WithCode("crashed").
	WithHint("It may have been carried out all the same. Try again: nothing is done twice.")

// mend reports runs for which nobody else will any more: their job was given up
// after it had killed its process too often, was cancelled, or is not there. A
// grant would wait for them without end.
func (p *Provisioner) mend(ctx context.Context) error {
	after := access.GrantID("")
	for {
		grants, err := p.Access.Underway(ctx, after, batch)
		if err != nil || len(grants) == 0 {
			return err
		}
		ids := make([]string, len(grants))
		for i, g := range grants {
			ids[i] = g.Awaited()
		}
		jobs, err := p.jobs.List(ctx, engine.Filter{IDs: ids})
		if err != nil {
			return err
		}
		alive := map[string]bool{}
		for _, j := range jobs {
			alive[j.ID] = !j.State.Ended()
		}
		for _, g := range grants {
			if alive[g.Awaited()] {
				continue
			}
			if alive, err := p.goesOn(ctx, g.Awaited()); err != nil {
				return err
			} else if alive {
				continue
			}
			if err := p.giveUp(ctx, g); err != nil {
				return err
			}
		}
		after = grants[len(grants)-1].ID
	}
}

// goesOn says whether a job goes on with the run: the one that it began with may
// have ended because it slept. It may sleep anew between a look at the run and
// one at its job, so it is read twice.
func (p *Provisioner) goesOn(ctx context.Context, run string) (bool, error) {
	for range 2 {
		r, err := p.Runs.Run(ctx, run)
		if err != nil {
			return false, err
		}
		if alive, err := p.alive(ctx, r); err != nil || alive {
			return alive, err
		}
	}
	return false, nil
}

// alive says whether a job will still go on with the run.
func (p *Provisioner) alive(ctx context.Context, r workflow.Run) (bool, error) {
	j, err := p.jobs.Job(ctx, cmp.Or(r.JobID, r.ID))
	if errors.Is(err, fault.NotFound) {
		return false, nil
	}
	return !j.State.Ended(), err
}

// giveUp reports the run that g waits for as failed, unless it has reported
// meanwhile.
func (p *Provisioner) giveUp(ctx context.Context, g access.Grant) error {
	kind := access.JobDeprovision
	if g.State == access.GrantSettingUp || g.State == access.GrantNotSetUp {
		kind = access.JobProvision
	}
	t := task{Run: g.Awaited(), Kind: kind, Grant: g.ID}
	if err := p.Access.StillWanted(ctx, t.Run, t.Kind, t.Grant); errors.Is(err, access.ErrSuperseded) {
		return nil
	}
	p.Log.WarnContext(ctx, "a run ended without a word", "run", t.Run, "grant", string(g.ID))
	return p.settle(ctx, t, errNoWord)
}
