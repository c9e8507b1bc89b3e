package web

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/batch"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/web/ui"
)

func (s *site) searchPages() { s.get("/search", anyone, s.search) }

// hit is one thing that a search found.
type hit struct{ kind, name, about, href string }

// mostHits bounds the hits of one kind: who means another types more of it.
const mostHits = 20

// finding is what a search found.
type finding struct {
	text   string
	hits   []hit
	more   bool      // there are more of some kind
	answer string    // the id of an answer of the server, such as an error page shows
	at     time.Time // when it was given; zero: the id does not say
}

// search finds things by their id and by their name. What somebody may not open
// is not there for them. One thing with that id is opened at once.
func (s *site) search(r *Request) error {
	f := finding{text: strings.TrimSpace(r.Value("q"))}
	if f.text != "" {
		h, err := s.byID(r, f.text)
		if err != nil {
			return err
		}
		if f.hits, f.more, err = s.byName(r.Context(), r.Actor, f.text); err != nil {
			return err
		}
		// A number may be that of an entry of the log, and stand in a name.
		number := strings.Trim(f.text, "0123456789") == ""
		if h.href != "" && (!number || len(f.hits) == 0) {
			r.redirect(h.href)
			return nil
		}
		if len(f.hits) == 0 && r.Actor.Administers() && strings.HasPrefix(f.text, "req_") && saneID(f.text) {
			f.answer, f.at = f.text, answeredAt(f.text)
		}
	}
	return r.Page(ui.Head{Title: "Search"}, nil, searchView(f))
}

// answeredAt is when the server gave an answer of the id; zero when it does not
// say.
func answeredAt(id string) time.Time {
	parsed, err := uuid.Parse(strings.TrimPrefix(id, "req_"))
	if err != nil || parsed.Version() != 7 {
		return time.Time{}
	}
	return time.Unix(parsed.Time().UnixTime()).UTC()
}

// byID returns the thing that has the id, if there is one that the actor may see.
func (s *site) byID(r *Request, id string) (hit, error) {
	prefix, _, ok := strings.Cut(id, "_")
	if _, err := strconv.ParseInt(id, 10, 64); err == nil {
		prefix, ok = "evt", true // the number of an entry
	}
	find := s.finders()[prefix]
	if !ok || find.by == nil || !find.may(r.Actor) {
		return hit{}, nil
	}
	href, err := find.by(r.Context(), r.Actor, id)
	if kind := fault.KindOf(err); kind == fault.NotFound || kind == fault.Forbidden {
		return hit{}, nil
	}
	return hit{href: href}, err
}

// finder returns the address of the thing with an id, or why there is none.
type finder struct {
	may may // open its page at all
	by  func(ctx context.Context, who identity.Actor, id string) (href string, err error)
}

// finders are by what the ids of things begin with.
func (s *site) finders() map[string]finder {
	return map[string]finder{
		"req": {anyone, func(ctx context.Context, who identity.Actor, id string) (string, error) {
			q, err := s.Access.Request(ctx, who, access.RequestID(id))
			return "/requests/" + string(q.ID), err
		}},
		"grt": {anyone, func(ctx context.Context, who identity.Actor, id string) (string, error) {
			g, err := s.Access.Grant(ctx, who, access.GrantID(id))
			return "/access/" + string(g.ID), err
		}},
		"run": {anyone, func(ctx context.Context, who identity.Actor, id string) (string, error) {
			run, _, err := s.Workflows.Run(ctx, who, id)
			return "/runs/" + run.ID, err
		}},
		"tsk": {anyone, func(ctx context.Context, who identity.Actor, id string) (string, error) {
			t, err := s.Access.Task(ctx, who, access.TaskID(id))
			return "/tasks/" + string(t.ID), err
		}},
		"bat": {anyone, func(ctx context.Context, who identity.Actor, id string) (string, error) {
			b, err := s.Batches.Batch(ctx, who, batch.ID(id))
			return batchAddress(b.ID), err
		}},
		"wfl": {anyone, s.workflowByID},
		"con": {administrators, func(ctx context.Context, who identity.Actor, id string) (string, error) {
			o, err := s.Connections.Overview(ctx, who, id)
			return "/connections/" + o.ID, err
		}},
		"app": {administrators, func(ctx context.Context, _ identity.Actor, id string) (string, error) {
			a, err := s.Access.App(ctx, access.AppID(id))
			return "/apps/" + string(a.ID), err
		}},
		"usr": {administrators, func(ctx context.Context, _ identity.Actor, id string) (string, error) {
			p, err := s.Identity.Person(ctx, identity.PersonID(id))
			return "/people/" + string(p.ID), err
		}},
		"grp": {administrators, func(ctx context.Context, _ identity.Actor, id string) (string, error) {
			g, err := s.Identity.Group(ctx, identity.GroupID(id))
			return "/groups/" + string(g.ID), err
		}},
		"evt": {administrators, s.entryByID},
	}
}

// workflowByID finds, for who is no administrator, what they may start.
func (s *site) workflowByID(ctx context.Context, who identity.Actor, id string) (string, error) {
	w, err := s.Workflows.Workflow(ctx, id)
	if err != nil || who.Administers() {
		return "/workflows/" + w.ID, err
	}
	startable, err := s.Workflows.Startable(ctx, who)
	for _, may := range startable {
		if may.ID == w.ID {
			return "/workflows/" + w.ID, err
		}
	}
	return "", err
}

// entryByID finds an entry of the audit log by its id or number; the list begins
// with it.
func (s *site) entryByID(ctx context.Context, who identity.Actor, id string) (string, error) {
	if err := who.NeedAdmin(identity.ScopeAuditRead); err != nil {
		return "", err
	}
	f := audit.Filter{ID: id, Limit: 1}
	if seq, err := strconv.ParseInt(id, 10, 64); err == nil {
		f = audit.Filter{Before: seq + 1, Limit: 1}
		if seq < 1 {
			return "", nil
		}
	}
	events, err := s.Audit.Events(ctx, f)
	if err != nil || len(events) == 0 || f.ID == "" && events[0].Seq != f.Before-1 {
		return "", err
	}
	return "/audit?before=" + strconv.FormatInt(events[0].Seq+1, 10), nil
}

// byName finds what has all the words in its name: for administrators what is set
// up and people, for others what they can ask for.
func (s *site) byName(ctx context.Context, who identity.Actor, text string) (hits []hit, more bool, err error) {
	words := strings.Fields(strings.ToLower(text))
	of := map[string]int{}
	add := func(h hit, also string) {
		if !holdsAll(strings.ToLower(h.name+" "+also), words) {
			return
		}
		if of[h.kind]++; of[h.kind] > mostHits {
			more = true
			return
		}
		hits = append(hits, h)
	}
	if !who.Administers() {
		offers, err := s.Access.Catalogue(ctx, who, "")
		for _, o := range offers {
			h := hit{kind: "App", name: o.App.Name, about: "in the catalogue", href: "/catalogue?q=" + url.QueryEscape(o.App.Name)}
			if !slices.Contains(hits, h) {
				add(h, "")
			}
		}
		return hits, more, err
	}
	dir, err := s.directory(ctx, who)
	if err != nil {
		return nil, false, err
	}
	for _, p := range byName(dir.people, func(p identity.Person) string { return p.Name }) {
		add(hit{"Person", p.Name, p.Email, "/people/" + string(p.ID)}, p.Email)
	}
	for _, g := range byName(dir.groups, func(g identity.Group) string { return g.Name }) {
		add(hit{"Group", g.Name, plural(len(g.Members), "member", "members"), "/groups/" + string(g.ID)}, "")
	}
	for _, a := range byName(dir.apps, func(a access.App) string { return a.Name }) {
		add(hit{"App", a.Name, "", "/apps/" + string(a.ID)}, "")
	}
	connections, err := s.Connections.List(ctx, who)
	if err != nil {
		return nil, false, err
	}
	for _, c := range connections {
		add(hit{"Connection", c.DisplayName, "", "/connections/" + c.ID}, "")
	}
	workflows, err := s.Workflows.Workflows(ctx)
	for _, w := range workflows {
		add(hit{"Workflow", w.Name, typeText(w.Type), "/workflows/" + w.ID}, "")
	}
	return hits, more, err
}

// byName lists what a directory holds in the order of names.
func byName[K comparable, V any](of map[K]V, name func(V) string) []V {
	list := make([]V, 0, len(of))
	for _, v := range of {
		list = append(list, v)
	}
	slices.SortFunc(list, func(a, b V) int { return strings.Compare(strings.ToLower(name(a)), strings.ToLower(name(b))) })
	return list
}
