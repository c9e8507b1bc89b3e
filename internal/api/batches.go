package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/batch"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

func (s *server) batchRoutes() {
	register(s, http.MethodPost, "/batches", "prepare-batch", "Say what an act would come to with each of many things", http.StatusCreated, s.prepareBatch)
	register(s, http.MethodGet, "/batches", "list-batches", "List batches, the newest first", http.StatusOK, s.listBatches)
	register(s, http.MethodGet, "/batches/{id}", "get-batch", "Show how far a batch is", http.StatusOK, s.getBatch)
	register(s, http.MethodGet, "/batches/{id}/rows", "list-batch-rows", "List the things of a batch, with what came of each", http.StatusOK, s.listBatchRows)
	register(s, http.MethodPost, "/batches/{id}/start", "start-batch", "Do a batch as it was prepared", http.StatusAccepted, s.startBatch)
	register(s, http.MethodPost, "/batches/{id}/stop", "stop-batch", "Begin nothing more of a batch", http.StatusAccepted, s.stopBatch)
}

func batchOf(b batch.Batch) wire.Batch {
	out := wire.Batch{
		ID: string(b.ID), Act: b.Act, ByID: string(b.By), Chosen: b.Chosen, Note: b.Note, State: string(b.State), Sentence: b.State.Text().Sentence,
		Counts: wire.BatchCounts(b.Counts), PreparedAt: b.PreparedAt, StartedAt: timeOrNil(b.StartedAt), EndedAt: timeOrNil(b.EndedAt), StoppedByID: b.StoppedBy,
	}
	if act, err := batch.ActOf(b.Act); err == nil {
		out.Label, out.Effect = act.Label, act.Effect
	}
	return out
}

func batchRowOf(r batch.Row) wire.BatchRow {
	out := wire.BatchRow{
		N: r.N, ThingID: r.Thing, PersonID: string(r.Seen.Person), AppID: r.Seen.App, Name: r.Seen.Name, Before: r.Seen.Before, After: r.Seen.After,
		Because: r.Seen.Because, State: string(r.State), Sentence: r.State.Text().Sentence, ResultID: r.Result, At: timeOrNil(r.At),
	}
	if r.Problem.Message != "" {
		out.Problem = &wire.Fault{Code: r.Problem.Code, Message: r.Problem.Message, Hint: r.Problem.Hint}
	}
	return out
}

func (s *server) prepareBatch(ctx context.Context, who identity.Actor, in *with[wire.NewBatch]) (*body[wire.Batch], error) {
	b, err := s.Batches.Prepare(ctx, who, in.Body.Act, in.Body.IDs, strings.TrimSpace(in.Body.Chosen))
	return answer(batchOf(b)), err
}

type batchPage struct {
	Page
	State string `query:"state" doc:"One or more states, separated by commas"`
}

func (s *server) listBatches(ctx context.Context, who identity.Actor, in *batchPage) (*body[wire.List[wire.Batch]], error) {
	if err := who.Need(identity.ScopeAccessRead); err != nil {
		return nil, err
	}
	if err := in.check("bat"); err != nil {
		return nil, err
	}
	f := batch.Filter{Limit: in.Limit + 1, Before: batch.ID(in.Cursor)}
	if in.State != "" {
		f.States = ids[batch.State](strings.Split(in.State, ","))
	}
	for _, state := range f.States {
		if state.Text().Sentence == "" {
			return nil, fault.Field("state", "A batch is prepared, running, stopping, done or stopped.")
		}
	}
	list, err := s.Batches.Batches(ctx, who, f)
	return pageOf(list, in.Limit, func(b batch.Batch) string { return string(b.ID) }, batchOf), err
}

func (s *server) getBatch(ctx context.Context, who identity.Actor, in *one) (*body[wire.Batch], error) {
	if err := who.Need(identity.ScopeAccessRead); err != nil {
		return nil, err
	}
	b, err := s.Batches.Batch(ctx, who, batch.ID(in.ID))
	return answer(batchOf(b)), err
}

type batchRowPage struct {
	Page
	ID    string `path:"id"`
	State string `query:"state" doc:"One or more states of rows, separated by commas"`
}

func (s *server) listBatchRows(ctx context.Context, who identity.Actor, in *batchRowPage) (*body[wire.List[wire.BatchRow]], error) {
	if err := who.Need(identity.ScopeAccessRead); err != nil {
		return nil, err
	}
	f := batch.RowFilter{Batch: batch.ID(in.ID), Limit: in.Limit + 1}
	if in.Cursor != "" {
		var err error
		if f.After, err = strconv.Atoi(in.Cursor); err != nil || f.After < 1 {
			return nil, badCursor()
		}
	}
	if in.State != "" {
		f.States = ids[batch.RowState](strings.Split(in.State, ","))
	}
	for _, state := range f.States {
		if state.Text().Sentence == "" {
			return nil, fault.Field("state", "A row is ready, left_out, done, refused or not_begun.")
		}
	}
	rows, err := s.Batches.Rows(ctx, who, f)
	return pageOf(rows, in.Limit, func(r batch.Row) string { return strconv.Itoa(r.N) }, batchRowOf), err
}

// batchStart starts a batch, whose body may be left out.
type batchStart struct {
	ID   string `path:"id"`
	Body *wire.StartBatch
}

func (s *server) startBatch(ctx context.Context, who identity.Actor, in *batchStart) (*body[wire.Batch], error) {
	reason := ""
	if in.Body != nil {
		reason = in.Body.Reason
	}
	b, err := s.Batches.Start(ctx, who, batch.ID(in.ID), reason)
	return answer(batchOf(b)), err
}

func (s *server) stopBatch(ctx context.Context, who identity.Actor, in *one) (*body[wire.Batch], error) {
	b, err := s.Batches.Stop(ctx, who, batch.ID(in.ID))
	return answer(batchOf(b)), err
}
