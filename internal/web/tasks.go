package web

import (
	"cmp"
	"net/http"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/web/ui"
)

func (s *site) taskPages() {
	s.get("/tasks", anyone, s.tasks)
	s.get("/tasks/{id}", anyone, s.taskPage)
	s.post("/tasks/{id}", anyone, s.finishTask)
}

// taskList is what people do by hand.
type taskList struct {
	dir   directory
	tasks []access.Task
	state access.TaskState
	next  string
}

func (s *site) tasks(r *Request) error {
	list := taskList{state: access.TaskState(cmp.Or(r.Value("state"), string(access.TaskOpen)))}
	var err error
	if list.dir, err = s.directory(r.Context(), r.Actor); err != nil {
		return err
	}
	f := access.TaskFilter{State: list.state, Limit: pageRows + 1, Before: access.TaskID(r.Value("before"))}
	if r.Value("state") == stateAny {
		f.State, list.state = "", stateAny
	}
	if list.tasks, err = s.Access.Tasks(r.Context(), r.Actor, f, false); err != nil {
		return err
	}
	if len(list.tasks) > pageRows {
		list.tasks = list.tasks[:pageRows]
		list.next = withQuery(r.URL, "before", string(list.tasks[pageRows-1].ID))
	}
	return r.Page(ui.Head{Title: "Tasks", Lead: "What people carry out by hand, where no workflow does it."}, nil, tasksView(list))
}

var taskLooks = map[access.TaskState]look{
	access.TaskOpen:    {"list-checks", ui.Wait},
	access.TaskDone:    {"check", ui.Good},
	access.TaskFailed:  {"x", ui.Bad},
	access.TaskDropped: {"circle-slash", ui.Quiet},
}

func taskState(s access.TaskState) ui.State { return stateOf(s.Text(), taskLooks[s]) }

// taskText says what is to be done.
func taskText(d directory, t access.Task) string {
	if t.Kind == access.JobProvision {
		return "Give " + short(d.person(t.Person)) + " the role " + short(t.RoleName) + " in " + short(d.app(t.App))
	}
	return "Take " + short(t.RoleName) + " in " + short(d.app(t.App)) + " away from " + short(d.person(t.Person))
}

// taskSheet is one task.
type taskSheet struct {
	dir   directory
	task  access.Task
	grant *access.Grant
	acts  []access.Possible
	note  string
	errs  ui.Errors
}

func (s *site) taskPage(r *Request) error { return s.showTask(r, http.StatusOK, nil) }

func (s *site) showTask(r *Request, status int, errs ui.Errors) error {
	v := taskSheet{errs: errs, note: r.Value("note")}
	var err error
	if v.task, err = s.Access.Task(r.Context(), r.Actor, access.TaskID(r.Thing("id"))); err != nil {
		return err
	}
	if v.dir, err = s.directory(r.Context(), r.Actor); err != nil {
		return err
	}
	if v.acts, err = s.Access.TaskActs(r.Context(), r.Actor, v.task.ID); err != nil {
		return err
	}
	if g, err := s.Access.Grant(r.Context(), r.Actor, v.task.Grant); err == nil {
		v.grant = &g
	}
	return r.PageAs(status, ui.Head{Title: taskText(v.dir, v.task), Back: []ui.Link{{Name: "Tasks", Href: "/tasks"}}}, nil, taskView(v))
}

// refused says why who looks may not say what became of the task, or nil.
func (v taskSheet) refused() *fault.Error {
	for _, a := range v.acts {
		if a.Refusal != nil {
			return a.Refusal
		}
	}
	return nil
}

func (s *site) finishTask(r *Request) error {
	_, err := s.Access.FinishTask(r.Context(), r.Actor, access.TaskID(r.Thing("id")), r.Value("outcome") == "done", r.Value("note"))
	if errs, ok := ui.ErrorsOf(err); ok {
		return s.showTask(r, http.StatusUnprocessableEntity, errs)
	}
	if err != nil {
		return err
	}
	return r.Done("/tasks", "Thank you. Whoever asked sees it on their request.")
}
