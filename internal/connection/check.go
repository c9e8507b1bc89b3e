package connection

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/integration"
)

// CheckReport is the result of one check.
type CheckReport struct {
	Key       string
	Name      string
	Help      string
	NotProven string
	Pass      bool
	Message   string
	Detail    string
	Hint      string
	Facts     []integration.Fact
	Version   int // of the connection that was checked; 0: of settings that are not stored
	At        time.Time
	Duration  time.Duration
}

// Check runs the connection's health checks of these keys, all for none, side by
// side on one exchange. It keeps the results and returns them in their order.
func (s *Service) Check(ctx context.Context, who identity.Actor, id string, keys ...string) ([]CheckReport, error) {
	return s.CheckEach(ctx, who, id, keys, nil)
}

// CheckEach does what Check does, and tells done of each result as soon as it is
// there, one at a time.
func (s *Service) CheckEach(ctx context.Context, who identity.Actor, id string, keys []string, done func(CheckReport)) ([]CheckReport, error) {
	if err := who.NeedAdmin(identity.ScopeTableauRead); err != nil {
		return nil, err
	}
	o, leave, err := s.use(ctx, id, fault.Conflict)
	if err != nil {
		return nil, err
	}
	defer leave()
	checks, err := chosen(o.integration, keys)
	if err != nil {
		return nil, err
	}
	last, err := s.store.LastChecks(ctx, id)
	if err != nil {
		return nil, err
	}
	var lost error
	reports := s.run(s.usage.observed(ctx, id), checks, o.client, o.connection, func(r CheckReport) {
		if ctx.Err() != nil { // who gave up learnt nothing of the system
			return
		}
		// Each is kept as soon as it is there: pages follow a run by what is kept,
		// also those that another node serves.
		lost = errors.Join(lost, s.store.KeepChecks(ctx, id, []CheckReport{r}))
		if done != nil {
			done(r)
		}
	})
	if ctx.Err() != nil {
		return reports, nil
	}
	return reports, errors.Join(lost, s.tellState(ctx, who, o, last[id], reports))
}

// chosen returns the checks of these keys or names in their order; all for none.
func chosen(in integration.Integration, keys []string) ([]integration.Check, error) {
	if len(keys) == 0 {
		return in.Checks, nil
	}
	wanted := map[string]bool{}
	for _, key := range keys {
		c, err := in.Check(key)
		if err != nil {
			return nil, err
		}
		wanted[c.Key] = true
	}
	return slices.DeleteFunc(slices.Clone(in.Checks), func(c integration.Check) bool { return !wanted[c.Key] }), nil
}

// run runs checks side by side on one exchange.
func (s *Service) run(ctx context.Context, checks []integration.Check, client integration.Client, c Connection, done func(CheckReport)) []CheckReport {
	defer client.Hold(ctx)()
	reports := make([]CheckReport, len(checks))
	var wg sync.WaitGroup
	var telling sync.Mutex
	for i, check := range checks {
		wg.Go(func() {
			at := s.now()
			r := check.Run(ctx, client, c.Settings)
			reports[i] = CheckReport{
				Key: check.Key, Name: check.Name, Help: check.Help, NotProven: check.NotProven,
				Pass: r.Pass, Message: r.Message, Detail: r.Detail, Hint: r.Hint, Facts: r.Facts,
				Version: c.Version, At: at, Duration: s.now().Sub(at),
			}
			if done != nil {
				telling.Lock()
				defer telling.Unlock()
				done(reports[i])
			}
		})
	}
	wg.Wait()
	return reports
}

// tellState records when a run made the connection better or worse.
func (s *Service) tellState(ctx context.Context, who identity.Actor, o *opened, last, reports []CheckReport) error {
	before := Health(o.connection, o.integration, last).State
	after := Health(o.connection, o.integration, merged(last, reports)).State
	if after == before || after == StateNeverChecked {
		return nil
	}
	e := s.event(audit.Kind("connection."+string(after)), who, o.connection, s.now())
	e.Data["before"] = string(before)
	return s.store.RecordEvents(ctx, e)
}

// merged returns the last results with the newer ones in their place.
func merged(last, newer []CheckReport) []CheckReport {
	all := slices.Clone(newer)
	for _, r := range last {
		if !slices.ContainsFunc(newer, func(n CheckReport) bool { return n.Key == r.Key }) {
			all = append(all, r)
		}
	}
	return all
}

// Try runs the checks with settings that are not stored, and stores nothing: of
// a connection that may be made.
func (s *Service) Try(ctx context.Context, who identity.Actor, kind string, settings integration.Settings) ([]CheckReport, error) {
	in, clean, err := s.fresh(who, kind, settings)
	if err != nil {
		return nil, err
	}
	return s.try(ctx, in, clean)
}

// TryEdit runs the checks with the settings that a connection would have after
// an edit, and stores nothing.
func (s *Service) TryEdit(ctx context.Context, who identity.Actor, id string, e Edit) ([]CheckReport, error) {
	c, in, err := s.toEdit(ctx, who, id, e)
	if err != nil {
		return nil, err
	}
	// The stored secret would go to whatever host was typed.
	clean, err := s.edited(c, in, e.Settings)
	if err = also(err, who.NeedProof(s.now())); err != nil {
		return nil, err
	}
	return s.try(ctx, in, clean)
}

func (s *Service) try(ctx context.Context, in integration.Integration, settings integration.Settings) ([]CheckReport, error) {
	client, err := in.Open(settings, s.env)
	if err != nil {
		return nil, err
	}
	defer func() { go s.close(context.WithoutCancel(ctx), "not stored", client) }()
	open, _ := split(in.Fields, settings)
	return s.run(ctx, in.Checks, client, Connection{Settings: open}, nil), nil
}
