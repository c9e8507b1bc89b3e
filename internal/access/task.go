package access

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

// TaskID names a task: "tsk_…".
type TaskID string

// Method says how access of an app or a role is carried out.
type Method string

// The methods.
const (
	MethodInherit   Method = ""          // of a role: as its app
	MethodWorkflows Method = "workflows" // by the two workflows; what an app does that says nothing
	MethodManual    Method = "manual"    // by a person, who says when it is done
)

// Provisioning says how access is carried out, and by hand by whom.
type Provisioning struct {
	Method Method
	People []identity.PersonID
	Groups []identity.GroupID
	Saved  // that of the app or the role that it is a part of; not kept with it
}

// TaskState says where a task stands.
type TaskState string

// The states of a task.
const (
	TaskOpen    TaskState = "open"
	TaskDone    TaskState = "done"
	TaskFailed  TaskState = "failed"
	TaskDropped TaskState = "dropped" // a later decision has overtaken it
)

// TaskStates is the table of the states of a task, in the order of its life.
func TaskStates() []StateText {
	return []StateText{
		{string(TaskOpen), "To do", "It waits for one of its people to do it by hand.", []Act{ActTaskDone, ActTaskFailed}},
		{string(TaskDone), "Done", "It was done by hand.", []Act{ActSeeGrant}},
		{string(TaskFailed), "Failed", "It could not be done by hand; the note says why.", []Act{ActSeeGrant}},
		{string(TaskDropped), "Dropped", "A later decision has overtaken it: nothing is to be done.", []Act{ActSeeGrant}},
	}
}

// The acts on tasks.
var (
	ActTaskDone   = Act{"done", "Say it is done"}
	ActTaskFailed = Act{"failed", "Say it cannot be done"}
)

// Text returns what is told of the state.
func (s TaskState) Text() StateText { return textOf(TaskStates(), string(s)) }

// Task is something that a person does by hand: to give a role in the other
// system, or to take it back.
type Task struct {
	ID         TaskID
	Kind       JobKind
	Grant      GrantID
	App        AppID
	Connection string
	RoleName   string
	Person     identity.PersonID // whose access it is
	People     []identity.PersonID
	Groups     []identity.GroupID
	State      TaskState
	Note       string
	By         identity.PersonID
	CreatedAt  time.Time
	EndedAt    time.Time
}

// TaskFilter picks tasks; its zero value picks all. Newest first.
type TaskFilter struct {
	State  TaskState
	App    AppID
	Grant  GrantID
	Limit  int    // 0: no limit
	Before TaskID // only those older than this one
}

// Events of tasks.
const (
	ProvisioningSaved audit.Kind = "app.provisioning_saved"
	TaskOpened        audit.Kind = "task.opened"
	TaskWasDone       audit.Kind = "task.done"
	TaskHasFailed     audit.Kind = "task.failed"
)

// check returns how access is carried out as it is kept, or what is wrong.
func (p Provisioning) check(ofRole bool) (Provisioning, error) {
	switch p.Method {
	case MethodManual:
		if len(p.People)+len(p.Groups) == 0 {
			return p, fault.Field("people", "Somebody must do it: name people or groups.")
		}
		return p, nil
	case MethodWorkflows:
		return Provisioning{Method: p.Method, Saved: p.Saved}, nil
	case MethodInherit:
		if ofRole {
			return Provisioning{Saved: p.Saved}, nil
		}
	}
	return p, fault.Field("method", "The method is %q or %q.", MethodWorkflows, MethodManual)
}

// mayFinish says why who may not say what became of the task, or nil. Nobody says
// that their own access was taken away, whom it would leave to them: not even an
// administrator, unless they are sole, and nobody else could say it.
func (t Task) mayFinish(who identity.Actor, sole bool) error {
	if !t.isFor(who) {
		return fault.New(fault.Forbidden, "This task is not yours: only its people or an administrator say what became of it.").WithCode("not_yours")
	}
	if t.endsOwn(who) && !sole {
		return fault.New(fault.Forbidden, "You cannot say what became of this task: it takes away your own access.").WithCode("own_access").
			WithHint("Another one of those who do it by hand can, or an administrator.")
	}
	return nil
}

// isFor says whether the task is one of who's.
func (t Task) isFor(who identity.Actor) bool {
	return who.Administers() || who.Person != "" && (slices.Contains(t.People, who.Person) ||
		slices.ContainsFunc(t.Groups, func(g identity.GroupID) bool { return slices.Contains(who.Groups, g) }))
}

// endsOwn says whether the task takes away access of who.
func (t Task) endsOwn(who identity.Actor) bool {
	return t.Kind == JobDeprovision && who.Person == t.Person
}

// refuses says why who may not say what became of t, or nil, and whether nobody
// else could say it of who's own access; err is a failed read.
func (t Task) refuses(ctx context.Context, tx Reader, who identity.Actor) (refusal *fault.Error, sole bool, err error) {
	if t.isFor(who) && t.endsOwn(who) {
		others, err := t.othersMay(ctx, tx)
		if err != nil {
			return nil, false, err
		}
		sole = !others
	}
	return refusalOf(t.mayFinish(who, sole)), sole, nil
}

// othersMay says whether anybody could say what became of t but the person whose
// access it is.
func (t Task) othersMay(ctx context.Context, tx Reader) (bool, error) {
	ids, err := tx.Administrators(ctx)
	if err != nil {
		return false, err
	}
	ids = append(ids, t.People...)
	for _, id := range t.Groups {
		g, err := tx.Group(ctx, id)
		if err != nil {
			return false, err
		}
		ids = append(ids, g.Members...)
	}
	for _, id := range ids {
		if id == t.Person {
			continue
		}
		if p, err := tx.Person(ctx, id); err != nil || !p.Disabled {
			return err == nil, err
		}
	}
	return false, nil
}

// visibleTo says whether who may see t.
func (t Task) visibleTo(who identity.Actor, app App) bool {
	return who.Admin || t.isFor(who) || app.ownedBy(who)
}

// finish returns t with what became of it; sole as in mayFinish.
func (t Task) finish(who identity.Actor, sole, ok bool, note string, now time.Time) (Task, []audit.Event, error) {
	note, err := cleanReason(note)
	if forbidden := t.mayFinish(who, sole); forbidden != nil {
		return t, nil, forbidden
	}
	switch {
	case err != nil:
		return t, nil, err
	case t.State != TaskOpen:
		return t, nil, fault.New(fault.Conflict, "This task is over: %s.", strings.ToLower(t.State.Text().Word)).WithCode("task_over")
	case !ok && note == "":
		return t, nil, fault.Field("note", "Say why it cannot be done: who asked reads it.")
	}
	kind := TaskWasDone
	t.State, t.Note, t.By, t.EndedAt = TaskDone, note, who.Person, now
	if !ok {
		t.State, kind = TaskFailed, TaskHasFailed
	}
	alone := ""
	if t.endsOwn(who) {
		alone = "nobody else could say it"
	}
	return t, []audit.Event{event(kind, who, "task:"+string(t.ID), now, "grant", string(t.Grant), "kind", string(t.Kind), "note", note, "own_access", alone)}, nil
}

// SaveProvisioning says how access of an app is carried out, or with role of one
// of its roles, as an edit of the version that p says of that app or role. What
// is under way is carried out as it was begun.
func (s *Service) SaveProvisioning(ctx context.Context, who identity.Actor, app AppID, role RoleID, p Provisioning) (Provisioning, error) {
	if err := s.needAdmin(ctx, who, provisioningOf(app, role), "save"); err != nil {
		return p, err
	}
	p, err := p.check(role != "")
	if err != nil {
		return p, err
	}
	var kept Provisioning
	err = s.store.Change(ctx, func(tx Tx) error {
		now := s.now()
		if kept, err = provisioningNow(ctx, tx, app, role); err != nil || kept.is(p) {
			return err
		}
		a, err := tx.App(ctx, app)
		if err != nil {
			return err
		}
		// It is a part of what the forms of the app and of the role edit.
		if role == "" {
			if !a.edits(p.Version) {
				return appMeanwhile(ctx, tx, who, a, a, &p)
			}
			a.Saved = a.next(who, now)
			kept, err = p.of(a.Saved), tx.SaveApp(ctx, a)
		} else {
			var r Role
			if r, err = tx.Role(ctx, role); err != nil {
				return err
			}
			if !r.edits(p.Version) {
				return roleMeanwhile(ctx, tx, who, r, r, &p)
			}
			r.Saved = r.next(who, now)
			kept, err = p.of(r.Saved), tx.SaveRole(ctx, r)
		}
		if err != nil {
			return err
		}
		return keepProvisioning(ctx, tx, who, app, role, p, now)
	})
	return kept, wrap("save provisioning", err)
}

// of returns p as a part of that version of its app or role.
func (p Provisioning) of(s Saved) Provisioning {
	p.Saved = s
	return p
}

// keepProvisioning keeps how access is carried out, when that is something else
// than before.
func keepProvisioning(ctx context.Context, tx Tx, who identity.Actor, app AppID, role RoleID, p Provisioning, now time.Time) error {
	subject := provisioningOf(app, role)
	before, err := provisioning(ctx, tx, app, role)
	if err != nil || before.is(p) {
		return err
	}
	for _, id := range p.People {
		if _, err := tx.Person(ctx, id); err != nil {
			return err
		}
	}
	for _, id := range p.Groups {
		if _, err := tx.Group(ctx, id); err != nil {
			return err
		}
	}
	if err := tx.SaveProvisioning(ctx, subject, p); err != nil {
		return err
	}
	return tx.Record(ctx, event(ProvisioningSaved, who, subject, now, "method", string(p.Method)))
}

// is says whether p and q say the same.
func (p Provisioning) is(q Provisioning) bool {
	return p.Method == q.Method && slices.Equal(p.People, q.People) && slices.Equal(p.Groups, q.Groups)
}

// provisioning reads how access of an app, or of one of its roles, is carried
// out; what an app does not say is by workflows.
func provisioning(ctx context.Context, tx Reader, app AppID, role RoleID) (Provisioning, error) {
	p, err := tx.Provisioning(ctx, provisioningOf(app, role))
	if p.Method == MethodInherit && role == "" {
		p.Method = MethodWorkflows
	}
	return p, err
}

// Provisioning returns how access of an app, or of one of its roles, is carried
// out, as it was saved, with the version of the app or the role that it is a part
// of.
func (s *Service) Provisioning(ctx context.Context, app AppID, role RoleID) (p Provisioning, err error) {
	err = s.store.View(ctx, func(tx Reader) (err error) {
		p, err = provisioningNow(ctx, tx, app, role)
		return err
	})
	return p, wrap("read provisioning", err)
}

// provisioningNow reads how access of an app, or of one of its roles, is carried
// out, with the version of what it is a part of.
func provisioningNow(ctx context.Context, tx Reader, app AppID, role RoleID) (Provisioning, error) {
	a, err := tx.App(ctx, app)
	if err != nil {
		return Provisioning{}, err
	}
	saved := a.Saved
	if role != "" {
		r, err := tx.Role(ctx, role)
		if err == nil && r.App != app {
			err = missing("role", string(role))
		}
		if err != nil {
			return Provisioning{}, err
		}
		saved = r.Saved
	}
	p, err := provisioning(ctx, tx, app, role)
	return p.of(saved), err
}

func provisioningOf(app AppID, role RoleID) string {
	if role != "" {
		return "role:" + string(role)
	}
	return "app:" + string(app)
}

// taskFor returns the task of a person that takes the place of the job, where
// access is carried out by hand; nil where workflows do it.
func (s *Service) taskFor(ctx context.Context, tx Reader, g Grant, job Job) (*Task, []audit.Event, error) {
	p, err := tx.Provisioning(ctx, provisioningOf(g.App, g.Role))
	if err == nil && p.Method == MethodInherit {
		p, err = tx.Provisioning(ctx, provisioningOf(g.App, ""))
	}
	if err != nil || p.Method != MethodManual {
		return nil, nil, err
	}
	now := s.now()
	t := Task{
		ID: TaskID(s.newID("tsk")), Kind: job.Kind, Grant: g.ID, App: g.App, Connection: g.Connection, RoleName: g.RoleName, Person: g.Person,
		People: p.People, Groups: p.Groups, State: TaskOpen, CreatedAt: now,
	}
	return &t, []audit.Event{event(TaskOpened, identity.System(), "task:"+string(t.ID), now, "grant", string(g.ID), "kind", string(t.Kind),
		"role", t.RoleName, "person", string(t.Person))}, nil
}

// waitingFor names who does a task by hand, for people.
func waitingFor(ctx context.Context, tx Reader, t Task) (string, error) {
	var names []string
	for _, id := range t.People {
		if t.Kind == JobDeprovision && id == t.Person { // somebody else says it
			continue
		}
		p, err := tx.Person(ctx, id)
		if err != nil {
			return "", err
		}
		names = append(names, p.Name)
	}
	groups, err := groupNames(ctx, tx, t.Groups)
	for _, g := range groups {
		names = append(names, "the group "+g)
	}
	if len(names) == 0 {
		names = []string{"an administrator"}
	}
	return strings.Join(names, " or ") + " to do it by hand", err
}

// FinishTask says what became of a task, and takes that into its grant.
func (s *Service) FinishTask(ctx context.Context, who identity.Actor, id TaskID, ok bool, note string) (Task, error) {
	subject := "task:" + string(id)
	if err := s.need(ctx, who, identity.ScopeRequestsWrite, subject, "finish"); err != nil {
		return Task{}, err
	}
	var finished Task
	err := s.store.Change(ctx, func(tx Tx) error {
		who, err := present(ctx, tx, who)
		if err != nil {
			return err
		}
		t, err := tx.Task(ctx, id)
		if err != nil {
			return err
		}
		_, sole, err := t.refuses(ctx, tx, who)
		if err != nil {
			return err
		}
		now := s.now()
		t, events, err := t.finish(who, sole, ok, note, now)
		if err != nil {
			return err
		}
		finished = t
		if err := tx.SaveTask(ctx, t); err != nil {
			return err
		}
		if err := tx.Record(ctx, events...); err != nil {
			return err
		}
		return s.byHand(ctx, tx, who, t, now)
	})
	return finished, s.refused(ctx, who, subject, "finish", wrap("finish task", err))
}

// byHand takes what became of a task into its grant.
func (s *Service) byHand(ctx context.Context, tx Tx, who identity.Actor, t Task, now time.Time) error {
	g, err := tx.Grant(ctx, t.Grant)
	if err != nil {
		return err
	}
	by, err := tx.Person(ctx, who.Person)
	if err != nil {
		return err
	}
	said := "by hand by " + by.Name
	if t.Note != "" {
		said += ": " + t.Note
	}
	var events []audit.Event
	var job *Job
	switch {
	case t.State == TaskFailed:
		g, events = g.fail(t.Kind, Problem{Code: "not_done_by_hand", Message: "It could not be done " + said, Hint: "When it can be done, try again."}, now)
		g, job = g.again(t.Kind, s.newID("run"), now)
		g = g.leftover(now)
	case t.Kind == JobProvision:
		g, events = g.confirm(Proof{Note: "Done " + said, At: now}, now)
	default:
		g, events = g.finish(Proof{Note: "Taken back " + said, At: now}, now)
	}
	return s.put(ctx, tx, g, events, job)
}

// Task returns one task that who may see.
func (s *Service) Task(ctx context.Context, who identity.Actor, id TaskID) (Task, error) {
	var t Task
	err := s.store.View(ctx, func(tx Reader) (err error) {
		if t, err = tx.Task(ctx, id); err != nil {
			return err
		}
		if who, err = standing(ctx, tx, who); err != nil {
			return err
		}
		app, err := tx.App(ctx, t.App)
		if err == nil && !t.visibleTo(who, app) {
			return missing("task", string(id))
		}
		return err
	})
	return t, wrap("read task", err)
}

// Tasks returns the tasks that who may see, newest first; with mine, only those
// that who may finish.
func (s *Service) Tasks(ctx context.Context, who identity.Actor, f TaskFilter, mine bool) ([]Task, error) {
	var seen []Task
	err := s.store.View(ctx, func(tx Reader) error {
		var failed error
		may := func(t Task) bool {
			refusal, _, err := t.refuses(ctx, tx, who)
			failed = errors.Join(failed, err)
			return refusal == nil
		}
		apps, err := appsByID(ctx, tx)
		if err != nil {
			return err
		}
		if who, err = standing(ctx, tx, who); err != nil {
			return err
		}
		seen, err = pick(f.Limit, func(last *Task, n int) ([]Task, error) {
			if last != nil {
				f.Before = last.ID
			}
			f.Limit = n
			return tx.Tasks(ctx, f)
		}, func(t Task) bool { return t.visibleTo(who, apps[t.App]) && (!mine || may(t)) })
		return errors.Join(failed, err)
	})
	return seen, wrap("list tasks", err)
}

// TaskActs returns what the state of a task lets who do with it, by the rules that
// the acts themselves ask.
func (s *Service) TaskActs(ctx context.Context, who identity.Actor, id TaskID) (acts []Possible, err error) {
	err = s.store.View(ctx, func(tx Reader) error {
		t, err := tx.Task(ctx, id)
		if err != nil {
			return err
		}
		app, err := tx.App(ctx, t.App)
		if err != nil {
			return err
		}
		who, err := present(ctx, tx, who)
		if err != nil {
			return err
		}
		if !t.visibleTo(who, app) {
			return missing("task", string(id))
		}
		acts = nil
		for _, act := range t.State.Text().Next {
			possible := Possible{Act: act}
			if act == ActTaskDone || act == ActTaskFailed {
				if possible.Refusal, _, err = t.refuses(ctx, tx, who); err != nil {
					return err
				}
			}
			acts = append(acts, possible)
		}
		return nil
	})
	return acts, wrap("list what may be done with a task", err)
}
