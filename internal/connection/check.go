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
	Duration  time.Duration // without Waited
	Waited    time.Duration // for the system to take calls again; 0: not worth a word
	Mends     []integration.Mend
}

// CheckRun is a check that runs, or whose last try came to no result.
type CheckRun struct {
	Key     string
	Version int // of the connection
	Began   time.Time
	Until   time.Time // it is taken to be gone with its node after that
	Waits   time.Time // nothing is sent before that; zero: it does not wait
	Trouble string    // why it has no result; "": it runs
	Hint    string
}

// LongestCheck is how long a run of checks may take.
const LongestCheck = 5 * time.Minute

// Check runs the connection's health checks of these keys, all for none, side by
// side on one exchange. It keeps the results and returns them in their order.
func (s *Service) Check(ctx context.Context, who identity.Actor, id string, keys ...string) ([]CheckReport, error) {
	run, err := s.BeginChecks(ctx, who, id, keys...)
	if err != nil {
		return nil, err
	}
	return run(ctx)
}

// Checking runs checks that were begun. It is called once.
type Checking func(ctx context.Context) ([]CheckReport, error)

// BeginChecks notes that checks run, for all who look, and returns what runs
// them. What keeps them from a result is noted likewise.
func (s *Service) BeginChecks(ctx context.Context, who identity.Actor, id string, keys ...string) (Checking, error) {
	if err := who.NeedAdmin(identity.ScopeTableauRead); err != nil {
		return nil, err
	}
	c, in, err := s.get(ctx, id)
	if err != nil {
		return nil, err
	}
	checks, err := chosen(in, keys)
	if err != nil {
		return nil, err
	}
	began := s.now()
	runs := make([]CheckRun, len(checks))
	for i, check := range checks {
		runs[i] = CheckRun{Key: check.Key, Version: c.Version, Began: began, Until: began.Add(LongestCheck)}
	}
	o, leave, err := s.use(ctx, id, fault.Conflict)
	if err != nil {
		if fault.Public(err).Code == "paused" { // the page says so itself
			return nil, err
		}
		return nil, errors.Join(err, s.store.BeginChecks(ctx, id, inVain(runs, err)))
	}
	for i := range runs {
		runs[i].Version = o.connection.Version
	}
	if err := s.store.BeginChecks(ctx, id, runs); err != nil {
		leave()
		return nil, err
	}
	return func(ctx context.Context) ([]CheckReport, error) {
		defer leave()
		ctx, cancel := context.WithTimeout(ctx, LongestCheck)
		defer cancel()
		reports, err := s.check(ctx, who, o, checks, began)
		trouble, hint := "", ""
		switch {
		case errors.Is(ctx.Err(), context.DeadlineExceeded):
			err, trouble, hint = nil, "It did not come to an end in time.", "Run it again."
		case ctx.Err() != nil: // who gave up learnt nothing
			err = nil
		case err != nil:
			f := fault.Public(err)
			trouble, hint = f.Message, f.Hint
		}
		return reports, errors.Join(err, s.store.EndChecks(context.WithoutCancel(ctx), id, began, trouble, hint))
	}, nil
}

// inVain are runs that ended before they began.
func inVain(runs []CheckRun, err error) []CheckRun {
	f := fault.Public(err)
	for i := range runs {
		runs[i].Until, runs[i].Trouble, runs[i].Hint = time.Time{}, f.Message, f.Hint
	}
	return runs
}

// check runs checks that are noted as running, and keeps what they find.
func (s *Service) check(ctx context.Context, who identity.Actor, o *opened, checks []integration.Check, began time.Time) ([]CheckReport, error) {
	id := o.connection.ID
	last, err := s.store.LastChecks(ctx, id)
	if err != nil {
		return nil, err
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	go s.watchWaits(watching, o, began)
	var lost error
	reports := s.run(s.usage.observed(ctx, id), checks, o.client, o.connection, func(r CheckReport) {
		if ctx.Err() != nil { // who gave up learnt nothing of the system
			return
		}
		// Each is kept as soon as it is there: pages follow a run by what is kept,
		// also those that another node serves.
		lost = errors.Join(lost, s.store.KeepChecks(ctx, id, []CheckReport{r}))
	})
	if ctx.Err() != nil {
		return reports, nil
	}
	return reports, errors.Join(lost, s.tellState(ctx, who, o, last[id], reports))
}

// watchEvery is how soon pages learn that checks wait for the system.
const watchEvery = 500 * time.Millisecond

// watchWaits notes until when the system asked to be left alone, while checks run.
func (s *Service) watchWaits(ctx context.Context, o *opened, began time.Time) {
	busy, ok := o.client.(integration.Busy)
	if !ok {
		return
	}
	tick := time.NewTicker(watchEvery) //nolint:forbidigo // paces a look, decides nothing
	defer tick.Stop()
	var told time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		until := busy.Traffic().PausedUntil
		if until.Equal(told) {
			continue
		}
		if err := s.store.WaitChecks(ctx, o.connection.ID, began, until); err != nil && ctx.Err() == nil {
			s.env.Log.WarnContext(ctx, "it is not noted that checks wait", "connection", o.connection.ID, "error", err)
		}
		told = until
	}
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
			var sent timer
			r := check.Run(integration.WithTrace(ctx, sent.add), client, c.Settings)
			reports[i] = CheckReport{
				Key: check.Key, Name: check.Name, Help: check.Help, NotProven: check.NotProven,
				Pass: r.Pass, Message: r.Message, Detail: r.Detail, Hint: r.Hint, Facts: r.Facts, Mends: r.Mends,
				Version: c.Version, At: at,
			}
			reports[i].Duration, reports[i].Waited = sent.parts(s.now().Sub(at))
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

// timer adds up how long exchanges took.
type timer struct {
	mu   sync.Mutex
	took time.Duration
}

func (t *timer) add(e integration.Trace) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.took += e.Duration
}

// worthAWord is the shortest wait that is told.
const worthAWord = time.Second

// parts tells the wait from the rest of a whole time, when it is worth a word.
func (t *timer) parts(whole time.Duration) (took, waited time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if waited = whole - t.took; waited < worthAWord {
		return whole, 0
	}
	return whole - waited, waited
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
