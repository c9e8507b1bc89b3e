-- +goose Up
-- What ended on a connection since a comparison began to read: a few of all that
-- ever ended. No other list may take this index, so that it is of no harm to them.
CREATE INDEX grants_ended ON grants (connection_id, ended_ms) WHERE ended_ms > 0;

-- +goose Down
DROP INDEX grants_ended;
