package tableautest

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

// jobRecord is an asynchronous job. It is over Config.JobTime after its start.
type jobRecord struct {
	id, kind, title string
	created         time.Time
	takes           time.Duration
	cancelled       time.Time
	failed          bool
	notes           []string
	about           []elem // what the job is done to
	result          []elem // what a finished job shows beside its state
}

// jobPriority is that of every job; Tableau's usual one.
const jobPriority = 50

// ended is when the job was over, or zero while it runs.
func (j *jobRecord) ended(now time.Time) time.Time {
	if !j.cancelled.IsZero() {
		return j.cancelled
	}
	if end := j.created.Add(j.takes); !now.Before(end) {
		return end
	}
	return time.Time{}
}

func (c *call) startJob(kind, title string) *jobRecord {
	j := &jobRecord{id: c.in.luid(), kind: kind, title: title, created: c.in.now(), takes: c.in.cfg().JobTime}
	c.site.jobs = append(c.site.jobs, j)
	return j
}

// newJob shows a job that was just accepted. Its finishCode of 1 means nothing
// yet.
func newJob(j *jobRecord) elem {
	return el("job", "id", j.id, "mode", "Asynchronous", "type", j.kind).num("progress", 0).
		at("createdAt", j.created).num("finishCode", 1).add(j.about...)
}

// accepted answers 202 with a job.
func (c *call) accepted(j *jobRecord) answer {
	return answer{status: http.StatusAccepted, kids: []elem{newJob(j)}}
}

func (c *call) job() *jobRecord {
	i := slices.IndexFunc(c.site.jobs, func(j *jobRecord) bool { return j.id == c.param("jobId") })
	if i < 0 {
		return nil
	}
	return c.site.jobs[i]
}

func (c *call) queryJob() (answer, *failure) {
	j := c.job()
	if j == nil {
		return answer{}, fail("404018")
	}
	now := c.in.now()
	end := j.ended(now)
	e := el("job", "id", j.id, "mode", "Asynchronous", "type", j.kind)
	switch {
	case end.IsZero():
		e = e.num("progress", j.progress(now)).at("createdAt", j.created).at("startedAt", j.created).num("finishCode", 1)
	default:
		e = e.num("progress", 100).at("createdAt", j.created).at("startedAt", j.created).
			at("updatedAt", end).at("completedAt", end).num("finishCode", j.finishCode())
	}
	var notes []elem
	for _, n := range j.notes {
		notes = append(notes, item("statusNote", "type", "CountOfUsersProcessed", "value", strconv.Itoa(len(j.notes)), "text", n))
	}
	if len(notes) > 0 {
		e = e.add(list("statusNotes", notes))
	}
	e = e.add(j.about...)
	if !end.IsZero() {
		e = e.add(j.result...)
	}
	return ok(e), nil
}

// progress is how much of a job is done, in per cent.
func (j *jobRecord) progress(now time.Time) int {
	if !j.ended(now).IsZero() {
		return 100
	}
	return min(99, int(100*now.Sub(j.created)/max(1, j.takes)))
}

// finishCode is 0 for success, 1 for failure, 2 for a cancelled job.
func (j *jobRecord) finishCode() int {
	switch {
	case !j.cancelled.IsZero():
		return 2
	case j.failed:
		return 1
	default:
		return 0
	}
}

func (j *jobRecord) status(now time.Time) string {
	switch {
	case j.ended(now).IsZero():
		return "InProgress"
	case !j.cancelled.IsZero():
		return "Cancelled"
	case j.failed:
		return "Failed"
	default:
		return "Success"
	}
}

func (c *call) queryJobs() (answer, *failure) {
	now := c.in.now()
	fields := []field[*jobRecord]{
		{name: "jobType", ops: "eq in", sort: true, str: func(j *jobRecord) string { return j.kind }},
		{name: "status", ops: "eq in", sort: true, str: func(j *jobRecord) string { return j.status(now) }},
		{name: "title", ops: "eq in has", sort: true, str: func(j *jobRecord) string { return j.title }},
		{name: "createdAt", ops: "eq gt gte lt lte", sort: true, time: func(j *jobRecord) time.Time { return j.created }},
		{name: "startedAt", ops: "eq gt gte lt lte", sort: true, time: func(j *jobRecord) time.Time { return j.created }},
		{name: "endedAt", ops: "eq gt gte lt lte", sort: true, time: func(j *jobRecord) time.Time { return j.ended(now) }},
		{name: "completedAt", ops: "eq gt gte lt lte", sort: true, time: func(j *jobRecord) time.Time { return j.ended(now) }},
		{name: "priority", ops: "eq gt gte lt lte", sort: true, num: func(*jobRecord) int { return jobPriority }},
		{name: "subtitle", ops: "eq in has", str: func(*jobRecord) string { return "" }},
		{name: "args", ops: "has", str: func(*jobRecord) string { return "" }},
		{name: "notes", ops: "has", strs: func(j *jobRecord) []string { return j.notes }},
		{name: "progress", ops: "eq gt gte lt lte", num: func(j *jobRecord) int { return j.progress(now) }},
	}
	return listing(c, c.site.jobs, fields, "backgroundJobs", func(j *jobRecord) elem {
		return item("backgroundJob", "id", j.id, "status", j.status(now), "jobType", j.kind).num("priority", jobPriority).
			at("createdAt", j.created).at("startedAt", j.created).at("endedAt", j.ended(now)).opt("title", j.title)
	})
}

func (c *call) cancelJob() (answer, *failure) {
	j := c.job()
	switch {
	case j == nil:
		return answer{}, fail("404018")
	case !j.ended(c.in.now()).IsZero():
		return answer{}, fail("403091")
	}
	j.cancelled = c.in.now()
	return empty(), nil
}
