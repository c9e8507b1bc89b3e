-- A run's rows are its journal: with what it began, and which execution of it
-- may write. epoch grows with each execution; what an earlier one writes is
-- refused.

-- +goose Up
ALTER TABLE runs ADD COLUMN epoch BIGINT NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN begun TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN plan TEXT NOT NULL DEFAULT '';
-- The engine's job that goes on with the run, when it is not the run's first.
ALTER TABLE runs ADD COLUMN job TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN waits_for TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN retry_of TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN cancelled_by TEXT NOT NULL DEFAULT '';
ALTER TABLE run_steps ADD COLUMN change TEXT NOT NULL DEFAULT '';

-- What the list of runs looks for.
CREATE INDEX runs_kind ON runs (kind, id);
CREATE INDEX runs_connection ON runs (connection_id, id);

-- +goose Down
SELECT 1;
