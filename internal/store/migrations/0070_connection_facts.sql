-- +goose Up
-- Who saved a connection last, when its secret was set, and whether it is
-- paused. "{}": nobody knows.
ALTER TABLE connections ADD COLUMN updated_by TEXT NOT NULL DEFAULT '{}';
ALTER TABLE connections ADD COLUMN secret_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE connections ADD COLUMN secret_by TEXT NOT NULL DEFAULT '{}';
ALTER TABLE connections ADD COLUMN paused_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE connections ADD COLUMN paused_by TEXT NOT NULL DEFAULT '{}';

-- The last result of each check. version is that of the connection that was
-- checked: after an edit a result says nothing any more.
CREATE TABLE connection_checks (
  connection_id TEXT NOT NULL REFERENCES connections (id),
  check_key     TEXT NOT NULL,
  version       BIGINT NOT NULL,
  pass          BOOLEAN NOT NULL,
  message       TEXT NOT NULL,
  detail        TEXT NOT NULL,
  hint          TEXT NOT NULL,
  facts         TEXT NOT NULL,
  at_ms         BIGINT NOT NULL,
  took_ms       BIGINT NOT NULL,
  PRIMARY KEY (connection_id, check_key)
);

-- How a connection is used: one row each, written every few seconds at most.
CREATE TABLE connection_usage (
  connection_id TEXT PRIMARY KEY REFERENCES connections (id),
  used_ms       BIGINT NOT NULL, -- the last sign-in that succeeded
  day           TEXT NOT NULL,   -- in UTC, as 2026-11-25
  calls         BIGINT NOT NULL, -- on that day
  last_calls    TEXT NOT NULL,   -- the newest few, without bodies
  history       TEXT NOT NULL    -- what people sent themselves, likewise
);

-- +goose Down
SELECT 1;
