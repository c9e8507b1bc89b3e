package store

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/uptrace/bun"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/workflow"
)

// Answers implements [access.Reader]: of each grant, the last run of a kind that
// was done and had begun when its proof was read, and of that run the last call
// that changed something, else the last one.
func (r reader) Answers(ctx context.Context, grants []access.Grant) (map[access.GrantID]access.Answers, error) {
	all := make(map[access.GrantID]access.Answers, len(grants))
	for some := range slices.Chunk(grants, rowsAtOnce) {
		ids := make([]access.GrantID, len(some))
		of := make(map[access.GrantID]access.Grant, len(some))
		for i, g := range some {
			ids[i], of[g.ID] = g.ID, g
		}
		var rows []struct {
			ID, GrantID, Kind, Calls string
			StartedMs                int64
		}
		err := r.q.NewSelect().TableExpr("runs AS r").Join("JOIN run_steps AS s ON s.run_id = r.id").
			Column("r.id", "r.grant_id", "r.kind", "r.started_ms", "s.calls").Where("r.grant_id IN ? AND r.state = ?", bun.Tuple(ids), workflow.RunDone).
			Where("s.calls <> '' AND s.calls <> '[]' AND s.calls <> 'null'").Order("r.id", "s.seq").Scan(ctx, &rows)
		if err != nil {
			return nil, wrap("read what was answered", err)
		}
		run := ""
		for _, row := range rows {
			g := of[access.GrantID(row.GrantID)]
			a := all[g.ID]
			to, read := &a.SetUp, g.SetUp.At
			if row.Kind == string(access.JobDeprovision) {
				to, read = &a.End, g.Proof.At
			}
			if row.StartedMs > ms(read) {
				continue
			}
			if row.ID != run {
				run, *to = row.ID, access.Answered{}
			}
			calls, err := parse[[]workflow.Call]("calls", row.Calls)
			if err != nil {
				return nil, err
			}
			for _, c := range calls {
				told(to, c)
			}
			all[g.ID] = a
		}
	}
	return all, nil
}

// told takes a call of a run into what was answered: one that changes outweighs
// one that reads, and of two alike the later one counts. Sign-ins say nothing of
// access, and a search names in its query whom it is for.
func told(to *access.Answered, c workflow.Call) {
	writes := func(method string) bool { return method != "" && method != http.MethodGet && method != http.MethodHead }
	if c.Kind != "call" || writes(to.Method) && !writes(c.Method) {
		return
	}
	path, _, _ := strings.Cut(c.Path, "?")
	*to = access.Answered{Method: c.Method, Path: path, Status: c.Status}
}

// RequestsOf implements [access.Reader].
func (r reader) RequestsOf(ctx context.Context, grants []access.GrantID) (map[access.RequestID]access.Request, error) {
	all := make(map[access.RequestID]access.Request, len(grants))
	for some := range slices.Chunk(grants, rowsAtOnce) {
		var rows []requestRow
		err := r.q.NewSelect().Model(&rows).Where("id IN (SELECT request_id FROM grants WHERE id IN ?)", bun.Tuple(some)).Scan(ctx)
		if err != nil {
			return nil, wrap("read requests", err)
		}
		requests, err := each(rows, requestFrom)
		if err != nil {
			return nil, err
		}
		for _, q := range requests {
			all[q.ID] = q
		}
	}
	return all, nil
}
