package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
	"github.com/margay-access/margay/internal/workflow"
)

// What a history tells of a grant is of one run: the call beside a proof is one of
// the run that reported the proof, without what its query searched for.
func TestAnswersAreOfTheRunOfTheProof(t *testing.T) {
	t.Parallel()
	at := func(minute int) time.Time { return time.Date(2026, 3, 2, 9, minute, 0, 0, time.UTC) }
	put := workflow.Call{Kind: "call", Method: "PUT", Path: "/users/luid", Status: 200}
	get := workflow.Call{Kind: "call", Method: "GET", Path: "/users?filter=name:eq:rita@acme.example", Status: 200}
	remove := workflow.Call{Kind: "call", Method: "DELETE", Path: "/users/luid", Status: 204}
	read := access.Answered{Method: "GET", Path: "/users", Status: 200}
	written := access.Answered{Method: "PUT", Path: "/users/luid", Status: 200}
	tests := map[string]struct {
		setUp, proof time.Time
		want         access.Answers
	}{
		"not set up":                        {},
		"set up":                            {setUp: at(2), proof: at(2), want: access.Answers{SetUp: written}},
		"restored, and nothing was written": {setUp: at(12), proof: at(12), want: access.Answers{SetUp: read}},
		"left alone later":                  {setUp: at(12), proof: at(22), want: access.Answers{SetUp: read}},
		"ended":                             {setUp: at(12), proof: at(32), want: access.Answers{SetUp: read, End: access.Answered{Method: "DELETE", Path: "/users/luid", Status: 204}}},
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := sample()
		r.save(t, db)
		for i, run := range []struct {
			id    string
			kind  access.JobKind
			steps [][]workflow.Call
		}{
			{"run_10", access.JobProvision, [][]workflow.Call{{get, put}, {get}}},
			{"run_11", access.JobProvision, [][]workflow.Call{{get}}},
			{"run_12", access.JobProvision, [][]workflow.Call{{put}}}, // somebody changed it again: its proof is not kept as that of a set-up
			{"run_13", access.JobDeprovision, [][]workflow.Call{{get}, {remove}}},
		} {
			job := r.job
			job.Run, job.Kind = run.id, run.kind
			began := at(10*i + 1)
			err := db.Change(t.Context(), func(tx access.Tx) error { return tx.Enqueue(t.Context(), job) })
			for seq, calls := range run.steps {
				err = errors.Join(err, db.SaveStep(t.Context(), 0, workflow.Step{Run: run.id, Seq: seq + 1, Name: "s", State: workflow.StepDone, Attempt: 1, Input: "{}", Output: "null", StartedAt: began, Calls: calls}))
			}
			err = errors.Join(err, db.SaveRun(t.Context(), workflow.Run{ID: run.id, Workflow: "wfl_2", Connection: "con_1", State: workflow.RunDone, StartedAt: began, EndedAt: at(10*i + 3)}))
			if err != nil {
				t.Fatal(err)
			}
		}
		for name, tt := range tests {
			g := r.grant
			g.SetUp.At, g.Proof.At = tt.setUp, tt.proof
			err := db.View(t.Context(), func(tx access.Reader) error {
				got, err := tx.Answers(t.Context(), []access.Grant{g})
				if got[g.ID] != tt.want {
					t.Errorf("%s: %+v, want %+v", name, got[g.ID], tt.want)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		}
	})
}
