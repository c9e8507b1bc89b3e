package store

import (
	"context"
	"net/http"
	"slices"

	"github.com/uptrace/bun"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/workflow"
)

// Answers implements [access.Reader]: of each grant, the last run of a kind that
// was done, and of that the last call that changed something, else the last one.
func (r reader) Answers(ctx context.Context, grants []access.GrantID) (map[access.GrantID]access.Answers, error) {
	all := make(map[access.GrantID]access.Answers, len(grants))
	for some := range slices.Chunk(grants, rowsAtOnce) {
		var rows []struct{ GrantID, Kind, Calls string }
		err := r.q.NewSelect().TableExpr("runs AS r").Join("JOIN run_steps AS s ON s.run_id = r.id").
			Column("r.grant_id", "r.kind", "s.calls").Where("r.grant_id IN ? AND r.state = ?", bun.Tuple(some), workflow.RunDone).
			Where("s.calls <> '' AND s.calls <> '[]' AND s.calls <> 'null'").Order("r.id", "s.seq").Scan(ctx, &rows)
		if err != nil {
			return nil, wrap("read what was answered", err)
		}
		for _, row := range rows {
			calls, err := parse[[]workflow.Call]("calls", row.Calls)
			if err != nil {
				return nil, err
			}
			a := all[access.GrantID(row.GrantID)]
			to := &a.SetUp
			if row.Kind == string(access.JobDeprovision) {
				to = &a.End
			}
			for _, c := range calls {
				told(to, c)
			}
			all[access.GrantID(row.GrantID)] = a
		}
	}
	return all, nil
}

// told takes a call into what was answered: one that changes outweighs one that
// reads, and of two alike the later one counts. Sign-ins say nothing of access.
func told(to *access.Answered, c workflow.Call) {
	writes := func(method string) bool { return method != "" && method != http.MethodGet && method != http.MethodHead }
	if c.Kind != "call" || writes(to.Method) && !writes(c.Method) {
		return
	}
	*to = access.Answered{Method: c.Method, Path: c.Path, Status: c.Status}
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
