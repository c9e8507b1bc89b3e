-- +goose Up
-- An entry of the log is searched for by its id.
CREATE INDEX events_id ON events (id);

-- +goose Down
SELECT 1;
