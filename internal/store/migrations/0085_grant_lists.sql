-- +goose Up
-- The list of grants by role and by end: what does not fit is left out in the
-- index, before its row is read.
CREATE INDEX grants_role ON grants (role_name, state, id, ends_ms);
DROP INDEX grants_state;
CREATE INDEX grants_state ON grants (state, id, ends_ms);

-- +goose Down
DROP INDEX grants_role;
DROP INDEX grants_state;
CREATE INDEX grants_state ON grants (state, id);
