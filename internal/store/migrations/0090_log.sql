-- What a workflow wrote to its log: before a call, kept with the call's step,
-- and after the last one, kept with the run.

-- +goose Up
ALTER TABLE run_steps ADD COLUMN log TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN log TEXT NOT NULL DEFAULT '';

-- +goose Down
SELECT 1;
