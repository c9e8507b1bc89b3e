-- What grants say, compared with what the system behind an app says.

-- +goose Up
CREATE TABLE comparisons (
  id            TEXT PRIMARY KEY,
  app_id        TEXT NOT NULL REFERENCES apps (id),
  connection_id TEXT NOT NULL,
  state         TEXT NOT NULL,
  started_by    TEXT NOT NULL,
  started_ms    BIGINT NOT NULL,
  listed_ms     BIGINT NOT NULL, -- when the list was begun to be read
  ended_ms      BIGINT NOT NULL,
  users_read    BIGINT NOT NULL,
  users_total   BIGINT NOT NULL,
  counts        TEXT NOT NULL,
  problem       TEXT NOT NULL
);
CREATE INDEX comparisons_app ON comparisons (app_id, state, id);
-- One at a time.
CREATE UNIQUE INDEX comparisons_running ON comparisons (app_id) WHERE state = 'running';

CREATE TABLE differences (
  id            TEXT PRIMARY KEY,
  comparison_id TEXT NOT NULL REFERENCES comparisons (id),
  app_id        TEXT NOT NULL,
  kind          TEXT NOT NULL,
  grant_id      TEXT NOT NULL,
  person_id     TEXT NOT NULL,
  user_id       TEXT NOT NULL, -- the other system's
  user_name     TEXT NOT NULL,
  granted       TEXT NOT NULL,
  found         TEXT NOT NULL,
  since_ms      BIGINT NOT NULL
);
CREATE INDEX differences_comparison ON differences (comparison_id, id);

-- +goose Down
SELECT 1;
