-- +goose Up
-- A run is retried once: which run came in the place of another is asked before.
CREATE INDEX runs_retry_of ON runs (retry_of, id) WHERE retry_of <> '';

-- +goose Down
DROP INDEX runs_retry_of;
