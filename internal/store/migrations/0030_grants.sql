-- The life of a grant: begun later, tried again, carried out by hand, changed
-- by somebody else. set_up keeps what the other system reported when the access
-- began; proof is what it reported last.

-- +goose Up
ALTER TABLE grants ADD COLUMN task_id     TEXT   NOT NULL DEFAULT '';
ALTER TABLE grants ADD COLUMN begins_ms   BIGINT NOT NULL DEFAULT 0;
ALTER TABLE grants ADD COLUMN change_ms   BIGINT NOT NULL DEFAULT 0;
ALTER TABLE grants ADD COLUMN next_try_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE grants ADD COLUMN next_run_id TEXT   NOT NULL DEFAULT '';
ALTER TABLE grants ADD COLUMN set_up      TEXT   NOT NULL DEFAULT '{}';
ALTER TABLE grants ADD COLUMN outside     TEXT   NOT NULL DEFAULT '{}';
UPDATE grants SET change_ms = created_ms;
UPDATE grants SET set_up = proof WHERE starts_ms > 0 AND ended_ms = 0;

CREATE INDEX grants_begin ON grants (begins_ms) WHERE state = 'scheduled';
-- With the order of lists in it: SQLite would walk all that are active for that.
DROP INDEX grants_holder;
CREATE INDEX grants_holder ON grants (person_id, state, id);
CREATE INDEX grants_app ON grants (app_id, id);

-- +goose Down
SELECT 1;
