package connection

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/integration"
)

// Overview is a connection with all that is known of it.
type Overview struct {
	Connection
	Integration integration.Integration
	Target      integration.Target
	Condition   Condition
	Checks      []CheckReport // the last result of each, in their order; older ones of settings that changed are left out
	Facts       []integration.Fact
	Credential  Credential
	Usage       Usage
	CallsToday  int
	Traffic     Traffic    // of one connection that was asked for
	Runs        []CheckRun // likewise: its checks that run, or whose last try came to no result
}

// Run returns what is known of the run of a check.
func (o Overview) Run(key string) (CheckRun, bool) {
	i := slices.IndexFunc(o.Runs, func(r CheckRun) bool { return r.Key == key })
	if i < 0 {
		return CheckRun{}, false
	}
	return o.Runs[i], true
}

// Running counts the checks that run.
func (o Overview) Running() int {
	n := 0
	for _, r := range o.Runs {
		if r.Trouble == "" {
			n++
		}
	}
	return n
}

// Traffic is what a connection is doing at the moment.
type Traffic struct {
	integration.Traffic // of this node

	Holder string // the node that has the session; "": none
	Wanted bool   // another node waits for it
}

// traffic tells what a connection is doing. Nothing is sent for it.
func (s *Service) traffic(ctx context.Context, o Overview) (Traffic, error) {
	var t Traffic
	s.mu.Lock()
	open := s.opened[o.ID]
	s.mu.Unlock()
	if open != nil {
		if busy, ok := open.client.(integration.Busy); ok {
			t.Traffic = busy.Traffic()
		}
	}
	if o.Integration.LeaseName == nil {
		return t, nil
	}
	holder, wanted, err := s.store.LeaseHolder(ctx, o.Integration.LeaseName(o.Settings))
	t.Holder, _, _ = strings.Cut(holder, "/")
	t.Wanted = wanted
	return t, err
}

// Overview returns one connection with all that is known of it. Nothing is sent
// for it.
func (s *Service) Overview(ctx context.Context, who identity.Actor, id string) (Overview, error) {
	c, err := s.Get(ctx, who, id)
	if err != nil {
		return Overview{}, err
	}
	return s.Known(ctx, c)
}

// Known returns what is known of a connection that the caller has already.
func (s *Service) Known(ctx context.Context, c Connection) (Overview, error) {
	all, err := s.overviews(ctx, c.ID, c)
	if err != nil {
		return Overview{}, err
	}
	if all[0].Runs, err = s.checkRuns(ctx, c); err != nil {
		return Overview{}, err
	}
	all[0].Traffic, err = s.traffic(ctx, all[0])
	return all[0], err
}

// checkRuns returns the checks of a connection as it is now that run, or whose
// last try came to no result.
func (s *Service) checkRuns(ctx context.Context, c Connection) ([]CheckRun, error) {
	all, err := s.store.CheckRuns(ctx, c.ID)
	now := s.now()
	return slices.DeleteFunc(all, func(r CheckRun) bool {
		return r.Version != c.Version || r.Trouble == "" && !r.Until.After(now) // its node is gone
	}), err
}

// Overviews returns all connections so, by display name.
func (s *Service) Overviews(ctx context.Context, who identity.Actor) ([]Overview, error) {
	cs, err := s.List(ctx, who)
	if err != nil {
		return nil, err
	}
	return s.overviews(ctx, "", cs...)
}

func (s *Service) overviews(ctx context.Context, id string, cs ...Connection) ([]Overview, error) {
	checks, err := s.store.LastChecks(ctx, id)
	if err != nil {
		return nil, err
	}
	stored, err := s.store.Usages(ctx, id)
	if err != nil {
		return nil, err
	}
	usages, now := s.usage.with(stored), s.now()
	out := make([]Overview, 0, len(cs))
	for _, c := range cs {
		in, err := s.registry.Get(c.Integration)
		if err != nil { // an integration that this version has not: shown by what is stored
			in = integration.Integration{Kind: c.Integration, Name: c.Integration}
		}
		o := Overview{Connection: c, Integration: in, Target: in.TargetOf(c.Settings), Usage: usages[c.ID]}
		o.Checks = current(c, in, checks[c.ID])
		for _, r := range o.Checks {
			o.Facts = append(o.Facts, r.Facts...)
		}
		o.Condition = Health(c, in, o.Checks)
		o.Credential = CredentialOf(c, in, o.Usage, now)
		o.CallsToday = o.Usage.On(now)
		out = append(out, o)
	}
	return out, nil
}

// KnownFact is a fact that a check found, and when.
type KnownFact struct {
	integration.Fact
	At time.Time
}

// RoleFact returns what is known of how many more may be given a role, from the
// last checks of the connection; nil: nothing. Nothing is sent for it.
func (s *Service) RoleFact(ctx context.Context, id, role string) (*KnownFact, error) {
	c, in, err := s.get(ctx, id)
	if err != nil {
		return nil, err
	}
	key := in.RoleFacts[role]
	if key == "" {
		return nil, nil //nolint:nilnil // there is nothing to know of it
	}
	checks, err := s.store.LastChecks(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, r := range current(c, in, checks[id]) {
		for _, f := range r.Facts {
			if f.Key == key {
				return &KnownFact{f, r.At}, nil
			}
		}
	}
	return nil, nil //nolint:nilnil // nobody has looked yet
}

// current returns the results that still say something, in the order of the
// checks and with their words of today.
func current(c Connection, in integration.Integration, last []CheckReport) []CheckReport {
	var out []CheckReport
	for _, check := range in.Checks {
		i := slices.IndexFunc(last, func(r CheckReport) bool { return r.Key == check.Key && r.Version == c.Version })
		if i < 0 {
			continue
		}
		r := last[i]
		r.Name, r.Help, r.NotProven = check.Name, check.Help, check.NotProven
		out = append(out, r)
	}
	return out
}
