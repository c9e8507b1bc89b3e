package tableau

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Job is asynchronous work of Tableau's.
type Job struct {
	ID        string    `json:"id"`
	Type      string    `json:"type"`
	Progress  int       `json:"progress"` // percent, -1 when Tableau does not say
	Finish    int       `json:"finishCode"`
	Created   time.Time `json:"created,omitzero"`
	Started   time.Time `json:"started,omitzero"`
	Completed time.Time `json:"completed,omitzero"` // zero: not done
	Notes     []string  `json:"notes,omitempty"`
}

// The finish codes of a job that is done.
const (
	JobSucceeded = 0
	JobFailed    = 1
	JobCancelled = 2
)

// Done reports whether the job has ended. The finish code alone does not say
// so: a job that was just created has the code 1.
func (j Job) Done() bool { return !j.Completed.IsZero() }

// JobError means that a job ended and did not succeed.
type JobError struct{ Job Job }

func (e *JobError) Error() string {
	how := "failed"
	if e.Job.Finish == JobCancelled {
		how = "was cancelled"
	}
	first := fmt.Sprintf("Tableau's job %s (%s) %s", e.Job.ID, e.Job.Type, how)
	return strings.Join(append([]string{first}, e.Job.Notes...), "; ")
}

// Class returns [ClassBadRequest], or [ClassCanceled] for a cancelled job.
func (e *JobError) Class() Class {
	if e.Job.Finish == JobCancelled {
		return ClassCanceled
	}
	return ClassBadRequest
}

// Is reports whether target is the error's class.
func (e *JobError) Is(target error) bool { return target == e.Class() }

// Job reads a job.
//
//tableau:operation GET sites/{site}/jobs/{job}
func (c *Client) Job(ctx context.Context, id string) (Job, error) {
	path, err := sitePath("jobs", id)
	if err != nil {
		return Job{}, err
	}
	type notes struct {
		Note []struct {
			Value text `json:"value"`
			Text  text `json:"text"`
		} `json:"statusNote"`
	}
	a, err := call[struct {
		Job *struct {
			ID        text   `json:"id"`
			Type      text   `json:"type"`
			Progress  count  `json:"progress"`
			Finish    count  `json:"finishCode"`
			Created   text   `json:"createdAt"`
			Started   text   `json:"startedAt"`
			Completed text   `json:"completedAt"`
			Notes     *notes `json:"statusNotes"`
		} `json:"job"`
	}](ctx, c, Request{Method: http.MethodGet, Path: path, Op: "Job"})
	if err != nil {
		return Job{}, err
	}
	if a.Job == nil {
		return Job{}, &NotTableauError{Op: "Job", Status: http.StatusOK, Excerpt: "the answer names no job"}
	}
	j := Job{
		ID: id, Type: string(a.Job.Type), Progress: a.Job.Progress.orUnknown(), Finish: a.Job.Finish.orUnknown(),
		Created: parseTime(string(a.Job.Created)), Started: parseTime(string(a.Job.Started)), Completed: parseTime(string(a.Job.Completed)),
	}
	if a.Job.Notes != nil {
		for _, n := range a.Job.Notes.Note {
			j.Notes = append(j.Notes, string(or(n.Text, n.Value)))
		}
	}
	return j, nil
}

// jobPollMost bounds the wait between two reads of a job: Cloud allows 20,000
// of them a day and site.
const jobPollMost = 15 * time.Second

// WaitJob reads a job until it is done, more and more seldom, and tells
// progress after each read. A job that did not succeed is a [*JobError]. The
// end of ctx ends the waiting, not the job. The session is not kept meanwhile.
//
//tableau:operation GET sites/{site}/jobs/{job}
func (c *Client) WaitJob(ctx context.Context, id string, progress func(Job)) (Job, error) {
	for wait := time.Second; ; wait = min(wait*3/2, jobPollMost) {
		j, err := c.Job(ctx, id)
		if err != nil {
			return Job{}, err
		}
		if progress != nil {
			progress(j)
		}
		if j.Done() {
			if j.Finish != JobSucceeded {
				return j, &JobError{Job: j}
			}
			return j, nil
		}
		if err := c.throttle.sleep(ctx, wait); err != nil {
			return j, fmt.Errorf("wait for job %s: %w", id, err)
		}
	}
}

// CancelJob asks Tableau to stop a job.
//
//tableau:operation PUT sites/{site}/jobs/{job}
func (c *Client) CancelJob(ctx context.Context, id string) error {
	path, err := sitePath("jobs", id)
	if err != nil {
		return err
	}
	return c.do(ctx, Request{Method: http.MethodPut, Path: path, Op: "CancelJob"})
}

// do makes a call whose answer says nothing but that it was done.
func (c *Client) do(ctx context.Context, r Request) error {
	resp, err := c.Do(ctx, r)
	if err != nil {
		return err
	}
	return resp.Err()
}

// xmlPayload writes the part that describes what is published.
func xmlPayload(noun, name, projectID string) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("<tsRequest><" + noun + " name=\"")
	if err := xml.EscapeText(&b, []byte(name)); err != nil {
		return nil, fmt.Errorf("write the name: %w", err)
	}
	b.WriteString("\">")
	if projectID != "" {
		b.WriteString("<project id=\"")
		if err := xml.EscapeText(&b, []byte(projectID)); err != nil {
			return nil, fmt.Errorf("write the project: %w", err)
		}
		b.WriteString("\"/>")
	}
	b.WriteString("</" + noun + "></tsRequest>")
	return b.Bytes(), nil
}

// pageQuery asks for one page of a numbered list.
func pageQuery(size, number int) map[string][]string {
	return map[string][]string{"pageSize": {strconv.Itoa(size)}, "pageNumber": {strconv.Itoa(number)}}
}
