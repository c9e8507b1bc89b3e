package web

import (
	"context"
	"net/url"
	"slices"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/batch"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/web/ui"
)

func (s *site) driftPages() {
	s.get("/drift", anyone, s.driftApps)
	s.get("/drift/{app}", anyone, s.driftBoard)
	s.post("/drift/{app}", anyone, s.compareApp)
	s.post("/drift/{app}/many", anyone, s.manyDrift)
}

// driftApp is an app with its latest comparison.
type driftApp struct {
	access.App
	last *access.Comparison // nil: it has never been compared
}

// comparable are the apps that somebody may compare, by name.
func (s *site) comparable(ctx context.Context, who identity.Actor, dir directory) ([]access.App, error) {
	apps := dir.appsByName()
	if who.Admin {
		return apps, nil
	}
	owned, err := s.Access.OwnedApps(ctx, who)
	return slices.DeleteFunc(apps, func(a access.App) bool { return !slices.Contains(owned, a.ID) }), err
}

func (s *site) driftApps(r *Request) error {
	dir, err := s.directory(r.Context(), r.Actor)
	if err != nil {
		return err
	}
	apps, err := s.comparable(r.Context(), r.Actor, dir)
	if err != nil {
		return err
	}
	latest, err := s.Access.LatestComparisons(r.Context(), r.Actor)
	if err != nil {
		return err
	}
	rows := make([]driftApp, len(apps))
	for i, a := range apps {
		rows[i].App = a
		if last, ok := latest[a.ID]; ok {
			rows[i].last = &last
		}
	}
	return r.Page(ui.Head{Title: "Drift", Lead: "What was granted here, and what the other system says. It is compared only when you ask for it."}, nil, driftAppsView(rows, r.Actor.Administers()))
}

// driftSheet is what the latest comparison of an app found.
type driftSheet struct {
	dir       directory
	app       access.App
	latest    *access.Comparison // nil: it has never been compared
	whole     *access.Comparison // the newest that came to its end well; nil: none
	rows      []access.ShownDifference
	unmanaged bool // the rows are of users without a grant
	admin     bool // who looks may see those users
	next      string
	many      many
	settled   map[access.DifferenceID]string // which decision settled a row, and whose
}

// The part of the list that the page shows.
const (
	driftShow      = "show"
	driftUnmanaged = "unmanaged"
)

func (s *site) driftBoard(r *Request) error {
	ctx, id := r.Context(), access.AppID(r.Thing("app"))
	v := driftSheet{unmanaged: r.Value(driftShow) == driftUnmanaged, admin: r.Actor.Admin}
	var err error
	if v.app, err = s.Access.App(ctx, id); err != nil {
		return err
	}
	latest, err := s.Access.Comparisons(ctx, r.Actor, id, 1, "")
	if err != nil {
		return err
	}
	if len(latest) > 0 {
		v.latest = &latest[0]
	}
	if v.whole, err = s.Access.LastCompared(ctx, r.Actor, id); err != nil {
		return err
	}
	if v.dir, err = s.directory(ctx, r.Actor); err != nil {
		return err
	}
	if err := s.fillDrift(r, &v); err != nil {
		return err
	}
	back := []ui.Link{{Name: "Drift", Href: "/drift"}}
	head := ui.Head{Title: "Drift of " + ui.Middle(v.app.Name, longName), Lead: "What was granted here, and what the other system says.", Back: back}
	return r.Page(head, driftActs(v), driftView(v))
}

// fillDrift reads a page of what was found.
func (s *site) fillDrift(r *Request, v *driftSheet) error {
	if v.whole == nil {
		return nil
	}
	f := access.DifferenceFilter{Comparison: v.whole.ID, Limit: pageRows + 1, After: access.DifferenceID(r.Value("before"))}
	for _, k := range access.DifferenceKinds() {
		if kind := access.DifferenceKind(k.Code); (kind == access.DifferenceUnmanaged) == v.unmanaged {
			f.Kinds = append(f.Kinds, kind)
		}
	}
	var err error
	if v.rows, err = s.Access.Differences(r.Context(), r.Actor, v.app.ID, f); err != nil {
		return err
	}
	if len(v.rows) > pageRows {
		v.rows = v.rows[:pageRows]
		v.next = withQuery(r.URL, "before", string(v.rows[pageRows-1].ID))
	}
	if err := s.driftMany(r, v); err != nil {
		return err
	}
	return s.settlers(r.Context(), v)
}

// driftMany reads what may be done with many of the differences.
func (s *site) driftMany(r *Request, v *driftSheet) error {
	if v.unmanaged || v.allSettled() {
		return nil
	}
	v.many = many{address: driftAddress(v.app.ID) + "/many", more: v.next != "" || r.Value("before") != ""}
	var open []access.ShownDifference
	if v.many.more {
		var err error
		if open, err = s.open(r, v.app.ID); err != nil {
			return err
		}
	}
	for _, act := range []batch.Act{batch.RestoreAccess, batch.AcceptChange, batch.RevokeAccess} {
		offer := manyAct{act: act}
		for _, d := range open {
			if settles(d, settleMany[act.Code]) {
				offer.all++
			}
		}
		v.many.acts = append(v.many.acts, offer)
	}
	return nil
}

// settlers reads what settled the differences of the page, and who.
func (s *site) settlers(ctx context.Context, v *driftSheet) error {
	var subjects []string
	for _, d := range v.rows {
		if d.Settled && d.Grant != "" {
			subjects = append(subjects, "grant:"+string(d.Grant))
		}
	}
	if len(subjects) == 0 {
		return nil
	}
	events, err := s.Audit.Events(ctx, audit.Filter{Subjects: subjects, Kinds: settlements(), Since: v.whole.StartedAt})
	if err != nil {
		return err
	}
	of := map[string][]audit.Event{}
	for _, e := range events {
		of[e.Subject] = append(of[e.Subject], e)
	}
	v.settled = map[access.DifferenceID]string{}
	for _, d := range v.rows {
		if d.Settled {
			v.settled[d.ID] = settledBy(v.dir, of["grant:"+string(d.Grant)])
		}
	}
	return nil
}

// settling is what settles a difference, in words.
var settling = map[audit.Kind]string{
	access.GrantAccepted: "accepted", access.GrantRestored: "restored", access.GrantRevoked: "ended", access.GrantExpired: "its time was over",
	access.GrantFound: "found as it should be again",
}

func settlements() []string {
	kinds := make([]string, 0, len(settling))
	for k := range settling {
		kinds = append(kinds, string(k))
	}
	return kinds
}

// settledBy says what settled a difference, and who: the first of what happened
// since it was found. events are the newest first.
func settledBy(dir directory, events []audit.Event) string {
	if len(events) == 0 {
		return ""
	}
	told := func(e audit.Event) string {
		if e.Actor == identity.System().String() {
			return settling[e.Kind]
		}
		return settling[e.Kind] + " by " + short(dir.actor(e.Actor))
	}
	first, last := events[len(events)-1], events[0]
	text := told(first)
	if first.Kind != last.Kind && (last.Kind == access.GrantRevoked || last.Kind == access.GrantExpired) {
		text += ", then " + told(last)
	}
	return text
}

// settleMany are the acts that settle many differences.
var settleMany = map[string]access.Act{
	batch.AcceptChange.Code: access.ActAccept, batch.RestoreAccess.Code: access.ActRestore, batch.RevokeAccess.Code: access.ActRevoke,
}

// settles says whether the act settles the difference, and it is not settled yet.
func settles(d access.ShownDifference, act access.Act) bool {
	return !d.Settled && d.Grant != "" && slices.Contains(d.Kind.Text().Next, act)
}

// manyDrift prepares to settle the marked differences, or all of the latest
// comparison.
func (s *site) manyDrift(r *Request) error {
	act, err := r.manyActOf(batch.AcceptChange, batch.RestoreAccess, batch.RevokeAccess)
	if err != nil {
		return err
	}
	app, err := s.Access.App(r.Context(), access.AppID(r.Thing("app")))
	if err != nil {
		return err
	}
	return s.prepare(r, act, filterWords("differences of", app.Name), func() ([]string, error) {
		found, err := s.open(r, app.ID)
		var ids []string
		for _, d := range found {
			if settles(d, settleMany[act.Code]) && len(ids) <= batch.Most {
				ids = append(ids, string(d.Grant))
			}
		}
		return ids, err
	})
}

// mostOpen bounds how many differences are looked through for those that are not
// settled.
const mostOpen = 5 * batch.Most

// open reads the differences of the newest comparison that ask for a decision.
func (s *site) open(r *Request, app access.AppID) ([]access.ShownDifference, error) {
	last, err := s.Access.LastCompared(r.Context(), r.Actor, app)
	if err != nil || last == nil {
		return nil, err
	}
	f := access.DifferenceFilter{Comparison: last.ID, Limit: mostOpen}
	for _, k := range access.DifferenceKinds() {
		if kind := access.DifferenceKind(k.Code); kind != access.DifferenceUnmanaged {
			f.Kinds = append(f.Kinds, kind)
		}
	}
	found, err := s.Access.Differences(r.Context(), r.Actor, app, f)
	return slices.DeleteFunc(found, func(d access.ShownDifference) bool { return d.Settled }), err
}

// allSettled says whether nothing on the page asks for a decision any more.
func (v driftSheet) allSettled() bool {
	return !slices.ContainsFunc(v.rows, func(d access.ShownDifference) bool { return !d.Settled })
}

func (s *site) compareApp(r *Request) error {
	id := access.AppID(r.Thing("app"))
	_, joined, err := s.Access.StartComparison(r.Context(), r.Actor, id)
	if err != nil {
		return err
	}
	to := driftAddress(id)
	if joined {
		return r.Done(to, "A comparison is under way already. This page follows it.")
	}
	return r.Done(to, "The comparison has begun. This page follows it, and you may leave it.")
}

func driftAddress(app access.AppID) string { return "/drift/" + url.PathEscape(string(app)) }

// settleAddress leads to the page that asks before an act on a difference, and
// back here after it.
func settleAddress(d access.ShownDifference, act access.Act) string {
	return "/access/" + url.PathEscape(string(d.Grant)) + "/" + act.Code + "?from=drift"
}

// driftState is what is shown of a comparison.
func driftState(c *access.Comparison) ui.State {
	if c == nil {
		return ui.State{Word: "Never compared", Icon: "circle-help", Tone: ui.Quiet}
	}
	word := c.State.Text().Word
	switch c.State {
	case access.ComparisonRunning:
		return ui.State{Word: word, Icon: "loader-circle", Tone: ui.Wait}
	case access.ComparisonFailed:
		return ui.State{Word: word, Icon: "circle-x", Tone: ui.Bad}
	case access.ComparisonDone:
		if n := c.Counts.Differences(); n > 0 {
			return ui.State{Word: plural(n, "difference", "differences"), Icon: "git-compare", Tone: ui.Warn}
		}
		return ui.State{Word: "No difference", Icon: "check", Tone: ui.Good}
	}
	return unknownState(word)
}

// differenceState is what is shown of a difference.
func differenceState(d access.ShownDifference) ui.State {
	switch {
	case d.Kind == access.DifferenceUnmanaged:
		return ui.State{Word: d.Kind.Text().Word, Icon: "circle-help", Tone: ui.Quiet}
	case d.Settled:
		return ui.State{Word: "Settled", Icon: "check", Tone: ui.Good}
	case d.Kind == access.DifferenceNotFound:
		return ui.State{Word: d.Kind.Text().Word, Icon: "circle-help", Tone: ui.Warn}
	}
	return ui.State{Word: d.Kind.Text().Word, Icon: "git-compare", Tone: ui.Warn}
}

// who is whom a difference is about.
func (v driftSheet) who(d access.ShownDifference) string {
	if d.Person != "" {
		return v.dir.person(d.Person)
	}
	return d.UserName
}

// comparedText says what was compared.
func comparedText(n access.DriftCounts) string {
	text := plural(n.Accounts, "user", "users") + " of the other system were compared. " + plural(n.Same, "grant is as it should be", "grants are as they should be") + "."
	if n.Busy > 0 {
		text += " " + plural(n.Busy, "grant was", "grants were") + " left out, because a run was changing the person."
	}
	return text
}
