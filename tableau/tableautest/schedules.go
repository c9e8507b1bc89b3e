package tableautest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// scheduleRecord is a schedule of a server.
type scheduleRecord struct {
	id, name, state, kind, frequency, order string
	priority                                int
	created, updated                        time.Time
	details                                 []elem
}

// taskRecord is a refresh of content by a schedule.
type taskRecord struct {
	id, scheduleID, contentID string
}

// schedulesOnly refuses schedules on Cloud, where they belong to the tasks.
func (c *call) schedulesOnly() *failure {
	if c.in.cfg().Product != ProductServer {
		return fail("403004")
	}
	return nil
}

func (c *call) schedule() (*scheduleRecord, *failure) {
	if f := c.schedulesOnly(); f != nil {
		return nil, f
	}
	for _, s := range c.in.schedules {
		if s.id == c.param("scheduleId") {
			return s, nil
		}
	}
	return nil, fail("404023")
}

func scheduleElem(s *scheduleRecord) elem {
	return item("schedule", "id", s.id, "name", s.name, "state", s.state).num("priority", s.priority).
		at("createdAt", s.created).at("updatedAt", s.updated).with("type", s.kind).opt("frequency", s.frequency).
		opt("executionOrder", s.order).add(s.details...)
}

func (c *call) querySchedules() (answer, *failure) {
	if f := c.schedulesOnly(); f != nil {
		return answer{}, f
	}
	fields := []field[*scheduleRecord]{{name: "name", ops: "eq in", sort: true, str: func(s *scheduleRecord) string { return s.name }}}
	return listing(c, c.in.schedules, fields, "schedules", scheduleElem)
}

func (c *call) getSchedule() (answer, *failure) {
	s, f := c.schedule()
	if f != nil {
		return answer{}, f
	}
	return ok(single(scheduleElem(s))), nil
}

// readSchedule reads what a body says about a schedule into s.
func (c *call) readSchedule(in elem, s *scheduleRecord) *failure {
	for key, to := range map[string]*string{
		"name": &s.name, "state": &s.state, "type": &s.kind, "frequency": &s.frequency, "executionOrder": &s.order,
	} {
		if got, given := in.get(key); given {
			*to = got
		}
	}
	if got, given := in.get("priority"); given {
		n, err := strconv.Atoi(got)
		if err != nil || n < 1 || n > 100 {
			return fail("400000")
		}
		s.priority = n
	}
	if d, given := in.child("frequencyDetails"); given {
		s.details = []elem{d}
	}
	switch {
	case s.name == "", s.kind == "", s.state != "Active" && s.state != "Suspended":
		return fail("400000")
	case slices.ContainsFunc(c.in.schedules, func(o *scheduleRecord) bool { return o.id != s.id && strings.EqualFold(o.name, s.name) }):
		return fail("409021")
	}
	return nil
}

func (c *call) createSchedule() (answer, *failure) {
	in, found := c.body.child("schedule")
	if f := c.schedulesOnly(); f != nil {
		return answer{}, f
	}
	if !found {
		return answer{}, fail("400000")
	}
	s := &scheduleRecord{state: "Active", priority: 50, created: c.in.now(), updated: c.in.now()}
	if f := c.readSchedule(in, s); f != nil {
		return answer{}, f
	}
	s.id = c.in.luid()
	c.in.schedules = append(c.in.schedules, s)
	a := ok(single(scheduleElem(s)))
	a.status, a.location = http.StatusCreated, c.r.URL.Path+"/"+s.id
	return a, nil
}

func (c *call) updateSchedule() (answer, *failure) {
	s, f := c.schedule()
	if f != nil {
		return answer{}, f
	}
	in, found := c.body.child("schedule")
	if !found {
		return answer{}, fail("400000")
	}
	next := *s
	if f := c.readSchedule(in, &next); f != nil {
		return answer{}, f
	}
	next.updated = c.in.now()
	*s = next
	return ok(single(scheduleElem(s))), nil
}

func (c *call) deleteSchedule() (answer, *failure) {
	s, f := c.schedule()
	if f != nil {
		return answer{}, f
	}
	c.in.schedules = slices.DeleteFunc(slices.Clone(c.in.schedules), func(o *scheduleRecord) bool { return o == s })
	for _, st := range c.in.sites {
		st.tasks = slices.DeleteFunc(st.tasks, func(t taskRecord) bool { return t.scheduleID == s.id })
	}
	return empty(), nil
}

func (c *call) taskElem(t taskRecord) elem {
	e := el("extractRefresh", "id", t.id, "type", "RefreshExtractTask").num("priority", 50).num("consecutiveFailedCount", 0)
	for _, s := range c.in.schedules {
		if s.id == t.scheduleID {
			e = e.add(single(scheduleElem(s)))
		}
	}
	if x := c.site.content.byID[t.contentID]; x != nil {
		e = e.add(el(kindTags[x.kind].tag, "id", x.id))
	}
	return e
}

// addToSchedule makes a task that refreshes content of a kind.
func addToSchedule(kind contentKind) func(*call) (answer, *failure) {
	return func(c *call) (answer, *failure) {
		s, f := c.schedule()
		if f != nil {
			return answer{}, f
		}
		task, _ := c.body.child("task")
		job, found := task.child("extractRefresh")
		what, named := job.child(kindTags[kind].tag)
		if !found || !named {
			return answer{}, fail("400000")
		}
		x := c.site.content.get(kind, what.val("id"))
		switch {
		case x == nil:
			return answer{}, fail(kindTags[kind].missing)
		case !c.site.may(c.user, x, "Write"):
			return answer{}, fail("403032")
		}
		t := taskRecord{id: c.in.luid(), scheduleID: s.id, contentID: x.id}
		c.site.tasks = append(c.site.tasks, t)
		return ok(el("task").add(c.taskElem(t))), nil
	}
}

// tasks lists the tasks that match.
func (c *call) taskList(match func(taskRecord) bool) []elem {
	var items []elem
	for _, t := range c.site.tasks {
		x := c.site.content.byID[t.contentID]
		if x != nil && match(t) && c.site.may(c.user, x, "Write") {
			items = append(items, elem{name: "task", many: true}.add(c.taskElem(t)))
		}
	}
	return items
}

func (c *call) getTasks() (answer, *failure) {
	return ok(list("tasks", c.taskList(func(taskRecord) bool { return true }))), nil
}

func (c *call) getTask() (answer, *failure) {
	items := c.taskList(func(t taskRecord) bool { return t.id == c.param("taskId") })
	if len(items) == 0 {
		return answer{}, fail("404026")
	}
	return ok(single(items[0])), nil
}

// tasksOfSchedule lists the extracts that a schedule refreshes.
func (c *call) tasksOfSchedule() (answer, *failure) {
	s, f := c.schedule()
	if f != nil {
		return answer{}, f
	}
	tasks := slices.DeleteFunc(slices.Clone(c.site.tasks), func(t taskRecord) bool { return t.scheduleID != s.id })
	return listing(c, tasks, nil, "extracts", func(t taskRecord) elem {
		e := item("extract", "id", t.id, "type", "RefreshExtractTask").num("priority", 50)
		if x := c.site.content.byID[t.contentID]; x != nil {
			e = e.add(el(kindTags[x.kind].tag, "id", x.id))
		}
		return e
	})
}

func (c *call) runTask() (answer, *failure) {
	if len(c.taskList(func(t taskRecord) bool { return t.id == c.param("taskId") })) == 0 {
		return answer{}, fail("404026")
	}
	j := c.startJob("RefreshExtract", "")
	for _, t := range c.site.tasks {
		if x := c.site.content.byID[t.contentID]; t.id == c.param("taskId") && x != nil {
			j.title, j.about = x.name, c.jobAbout(x)
		}
	}
	return ok(newJob(j)), nil
}

func (c *call) deleteTask() (answer, *failure) {
	id := c.param("taskId")
	if len(c.taskList(func(t taskRecord) bool { return t.id == id })) == 0 {
		return answer{}, fail("404026")
	}
	c.site.tasks = slices.DeleteFunc(c.site.tasks, func(t taskRecord) bool { return t.id == id })
	return empty(), nil
}

// accelerationTasks are none: data acceleration was retired.
func (c *call) accelerationTasks() (answer, *failure) {
	if c.match.params["taskId"] != "" || c.match.params["dataAccelerationId"] != "" {
		return answer{}, fail("404026")
	}
	return ok(list("dataAccelerationTasks", nil)), nil
}

// scheduleStates sets the state of the schedules that a body names, or with
// updateAll of all (3.27).
func (c *call) scheduleStates() (answer, *failure) {
	if f := c.schedulesOnly(); f != nil {
		return answer{}, f
	}
	state := c.query.Get("state")
	if !strings.EqualFold(state, "active") && !strings.EqualFold(state, "suspended") {
		return answer{}, fail("400008")
	}
	state = strings.ToUpper(state[:1]) + strings.ToLower(state[1:])
	named, _ := c.body.child("scheduleLuids")
	var changed []elem
	for _, s := range c.in.schedules {
		hit := isTrue(c.query.Get("updateAll"))
		for _, k := range named.kids {
			hit = hit || k.text == s.id || k.val("id") == s.id
		}
		if hit {
			s.state, s.updated = state, c.in.now()
			changed = append(changed, leafItem("scheduleLuid", s.id))
		}
	}
	return ok(list("scheduleLuids", changed)), nil
}

// leafItem is text in an array.
func leafItem(name, text string) elem {
	e := leaf(name, text)
	e.many = true
	return e
}
