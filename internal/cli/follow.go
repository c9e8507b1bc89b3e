package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/client"
)

const (
	firstPause   = 150 * time.Millisecond
	longestPause = 2 * time.Second
	// patience is how often in a row the server may be away, as it is while a
	// node is replaced, before following it is given up.
	patience = 15
)

// errWaitOver is returned by follow when its time ran out.
var errWaitOver = errors.New("the wait is over")

// follow reads a thing again and again until see says that it is done, for at
// most so long; 0 is without an end. It returns the thing as it was last.
func follow[T any](ctx context.Context, most time.Duration, read func(context.Context) (T, error), see func(T) bool) (T, error) {
	if most > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, most, errWaitOver)
		defer cancel()
	}
	var last T
	pause, away := firstPause, 0
	for {
		now, err := read(ctx)
		_, unreachable := errors.AsType[*client.UnreachableError](err)
		switch {
		case err == nil:
			away, last = 0, now
			if see(now) {
				return last, nil
			}
		case ctx.Err() != nil:
			return last, context.Cause(ctx)
		case unreachable && away < patience:
			away++
		default:
			return last, err
		}
		if err := rest(ctx, pause); err != nil {
			return last, err
		}
		pause = min(pause*3/2, longestPause)
	}
}

// rest waits for d, or returns why ctx ended.
func rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d) //nolint:forbidigo // people wait in real time
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// unfinished says what goes on when following something ended before it was
// done; what is it and how to look again.
func unfinished(err error, what, again string) error {
	switch {
	case errors.Is(err, errWaitOver):
		return &outcomeError{code: exitWaitOver, shown: true, message: "The wait is over; " + what + " goes on.", hint: again}
	case errors.Is(err, context.Canceled):
		return &outcomeError{code: exitInterrupted, message: "Stopped watching; " + what + " goes on.", hint: again}
	}
	return err
}

// requestStory tells what becomes of a request, each piece once.
type requestStory struct {
	s         *session
	asked     time.Duration
	approvals int
	opened    bool
	settingUp bool
}

// tell tells what is new in r and says whether the story is over.
func (st *requestStory) tell(ctx context.Context, r wire.Request) bool {
	if !st.opened {
		st.opened, st.asked = true, time.Duration(r.Duration)
		st.s.tell(markDone, "Asked", st.open(ctx, r)...)
	}
	for ; st.approvals < len(r.Approvals); st.approvals++ {
		st.decision(ctx, r, r.Approvals[st.approvals])
	}
	switch r.State {
	case "denied":
		return true
	case "withdrawn":
		st.s.tell(markFailed, "Withdrawn")
		return true
	case "lapsed":
		st.s.tell(markFailed, "Lapsed", "nobody decided in time")
		return true
	case "approved":
		return st.access(r)
	}
	return false
}

// open returns the facts of a new request: its id and who decides.
func (st *requestStory) open(ctx context.Context, r wire.Request) []string {
	facts := []string{r.ID, r.RoleName + " for " + st.s.personName(ctx, r.PersonID), spell(time.Duration(r.Duration))}
	if len(r.Policy.Steps) == 0 {
		return append(facts, "no approval needed")
	}
	return append(facts, "approvers: "+st.s.steps(ctx, r.Policy))
}

func (st *requestStory) decision(ctx context.Context, r wire.Request, a wire.Approval) {
	by := "by " + st.s.personName(ctx, a.ByID)
	if !a.Approved {
		st.s.tell(markFailed, "Denied", by, a.Reason)
		return
	}
	length := spell(time.Duration(r.Duration))
	if time.Duration(r.Duration) != st.asked {
		length += " (asked: " + spell(st.asked) + ")"
	}
	facts := []string{by, length}
	if a.Reason != "" {
		facts = append(facts, a.Reason)
	}
	st.s.tell(markDone, "Approved", facts...)
}

func (st *requestStory) access(r wire.Request) bool {
	if r.Grant == nil {
		return true // an approver sees the request and not what became of it
	}
	g := *r.Grant
	if g.State == "scheduled" { // it is for another day
		st.s.tellGrant(g)
		return true
	}
	if !st.settingUp {
		st.settingUp = true
		st.s.tell(markDone, "Setting up", g.ID, g.RunID)
	}
	if g.State == "setting_up" {
		return false
	}
	st.s.tellGrant(g)
	return true
}

// tellGrant tells where a grant stands when its change is over.
func (s *session) tellGrant(g wire.Grant) {
	note := ""
	if g.Proof != nil {
		note = g.Proof.Note
	}
	switch g.State {
	case "active":
		ends := "no end"
		if g.EndsAt != nil {
			ends = "ends " + s.clock(*g.EndsAt)
		}
		s.tell(markDone, "Active", "confirmed "+s.clock(at(g.StartsAt)), ends, note)
	case "ended":
		s.tell(markDone, "Ended", "confirmed "+s.clock(at(g.EndedAt)), note)
	case "not_set_up", "overdue_to_end":
		facts := []string{g.ID, g.RunID}
		if g.FailedRunID != "" {
			facts[1] = g.FailedRunID
		}
		if g.NextTryAt != nil {
			facts = append(facts, "tried again "+s.clock(*g.NextTryAt))
		}
		s.tell(markFailed, states()[g.State].word, facts...)
	case "scheduled":
		s.tell(markWaiting, states()[g.State].word, g.ID, "begins "+s.clock(at(g.BeginsAt)))
	case "ending":
		s.tell(markWaiting, "Ending", g.ID, g.RunID)
	}
}

// watchRequest follows a request to its end and tells its story.
func (s *session) watchRequest(ctx context.Context, r wire.Request, most time.Duration) error {
	api, err := s.client()
	if err != nil {
		return err
	}
	story := &requestStory{s: s}
	read := func(ctx context.Context) (wire.Request, error) { return api.Request(ctx, r.ID) }
	see := func(r wire.Request) bool { return story.tell(ctx, r) }
	if !see(r) {
		var last wire.Request
		last, err = follow(ctx, most, read, see)
		if last.ID != "" {
			r = last
		}
		if err != nil {
			err = unfinished(err, "the request", "margay request watch "+r.ID)
		}
	}
	if s.format != formatTable && !interrupted(err) {
		if err := show(s, r, s.requestView(ctx)); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	return s.requestOutcome(ctx, r)
}

func interrupted(err error) bool {
	o, ok := errors.AsType[*outcomeError](err)
	return err != nil && (!ok || !o.shown)
}

// requestOutcome returns how a request that is over ended, nil when well.
func (s *session) requestOutcome(ctx context.Context, r wire.Request) error {
	switch {
	case r.State == "denied":
		return &outcomeError{code: exitNotAllowed, shown: true, message: "The request was denied" + because(r.Approvals) + "."}
	case r.State == "withdrawn":
		return &outcomeError{code: exitConflict, shown: true, message: "The request was withdrawn."}
	case r.State == "lapsed":
		return &outcomeError{code: exitConflict, shown: true, message: "Nobody decided in time: the request has lapsed.", hint: "Ask again."}
	case r.Grant != nil:
		return s.grantOutcome(ctx, *r.Grant)
	}
	return nil
}

func because(approvals []wire.Approval) string {
	if len(approvals) == 0 || approvals[len(approvals)-1].Reason == "" {
		return ""
	}
	return ": " + approvals[len(approvals)-1].Reason
}

// grantOutcome returns why the last change of a grant was not carried out, nil
// when it was.
func (s *session) grantOutcome(ctx context.Context, g wire.Grant) error {
	if g.State != "not_set_up" && g.State != "overdue_to_end" {
		return nil
	}
	failed := g.RunID
	if g.FailedRunID != "" { // another run waits to try it again
		failed = g.FailedRunID
	}
	o := &outcomeError{code: exitFailed, shown: true, message: states()[g.State].word + "."}
	if g.Problem != nil {
		o.message, o.detail, o.hint = g.Problem.Message, g.Problem.Detail, g.Problem.Hint
	}
	if o.hint == "" {
		o.hint = "Try again with: margay access retry " + g.ID + "; what happened: margay run show " + failed
	}
	if api, err := s.client(); err == nil {
		if run, err := api.Run(ctx, failed); err == nil && refused(run) {
			o.code = exitTableau
		}
	}
	return o
}

// refused says whether a run failed because of what Tableau answered, or did
// not answer, to its last call.
func refused(r wire.Run) bool {
	for _, step := range slices.Backward(r.Steps) {
		if len(step.Calls) > 0 {
			last := step.Calls[len(step.Calls)-1]
			return step.State == "failed" && (last.Status == 0 || last.Status >= 400)
		}
	}
	return false
}

// watchGrant follows the present change of a grant to its end.
func (s *session) watchGrant(ctx context.Context, g wire.Grant, most time.Duration) (wire.Grant, error) {
	api, err := s.client()
	if err != nil {
		return g, err
	}
	over := func(g wire.Grant) bool { return g.State != "setting_up" && g.State != "ending" }
	last, err := follow(ctx, most, func(ctx context.Context) (wire.Grant, error) { return api.Grant(ctx, g.ID) }, over)
	if last.ID == "" {
		last = g
	}
	if err != nil {
		return last, unfinished(err, "the change", "margay access show "+g.ID)
	}
	s.tellGrant(last)
	return last, s.grantOutcome(ctx, last)
}

// runStory tells the steps of a run, each once it is over.
type runStory struct {
	s    *session
	told int
}

func (st *runStory) tell(r wire.Run) bool {
	for st.told < len(r.Steps) && r.Steps[st.told].State != "running" {
		step := r.Steps[st.told]
		sign := markDone
		if step.State == "failed" {
			sign = markFailed
		}
		facts := make([]string, 0, len(step.Calls))
		for _, c := range step.Calls {
			facts = append(facts, fmt.Sprintf("%s %s %s %.0f ms", c.Method, c.Path, statusText(c.Status), c.DurationMS))
		}
		st.s.tell(sign, step.Name, facts...)
		st.told++
	}
	return r.EndedAt != nil
}

// watchRun follows a run to its end and tells its steps.
func (s *session) watchRun(ctx context.Context, id string, most time.Duration) error {
	api, err := s.client()
	if err != nil {
		return err
	}
	story := &runStory{s: s}
	r, err := follow(ctx, most, seen(api, id), story.tell)
	if err != nil {
		err = unfinished(err, "the run", "margay run watch "+id)
	}
	if s.format != formatTable && !interrupted(err) {
		if err := show(s, r, s.runView(ctx)); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	s.tell(runMark(r), states()[r.State].word, r.ID)
	if runMark(r) != markFailed {
		return nil
	}
	o := &outcomeError{code: exitFailed, shown: true, message: states()[r.State].word + ".", hint: "margay run show " + r.ID}
	if refused(r) {
		o.code = exitTableau
	}
	if r.Problem != nil {
		o.message, o.detail = r.Problem.Message, r.Problem.Detail
		if r.Problem.Hint != "" {
			o.hint = r.Problem.Hint
		}
	}
	return o
}

func runMark(r wire.Run) mark {
	switch r.State {
	case "failed", "outcome_unknown", "crashed", "cancelled":
		return markFailed
	}
	return markDone
}

// seen reads a run as soon as it has changed.
func seen(api *client.Client, id string) func(context.Context) (wire.Run, error) {
	revision := ""
	return func(ctx context.Context) (wire.Run, error) {
		if revision == "" {
			r, err := api.Run(ctx, id)
			revision = r.Revision
			return r, err
		}
		r, err := api.WatchRun(ctx, id, revision)
		if err == nil {
			revision = r.Revision
		}
		return r, err
	}
}

func statusText(status int) string {
	if status == 0 {
		return "no answer"
	}
	return strconv.Itoa(status)
}
