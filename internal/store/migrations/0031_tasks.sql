-- What people carry out by hand.

-- +goose Up
ALTER TABLE grants ADD COLUMN waits_for TEXT NOT NULL DEFAULT '';

CREATE TABLE provisioning (
  subject TEXT PRIMARY KEY, -- app:… or role:…
  method  TEXT NOT NULL,
  people  TEXT NOT NULL,
  groups  TEXT NOT NULL
);

CREATE TABLE tasks (
  id            TEXT PRIMARY KEY,
  kind          TEXT NOT NULL,
  grant_id      TEXT NOT NULL REFERENCES grants (id),
  app_id        TEXT NOT NULL REFERENCES apps (id),
  connection_id TEXT NOT NULL,
  role_name     TEXT NOT NULL,
  person_id     TEXT NOT NULL REFERENCES people (id),
  people        TEXT NOT NULL,
  groups        TEXT NOT NULL,
  state         TEXT NOT NULL,
  note          TEXT NOT NULL,
  done_by       TEXT NOT NULL,
  created_ms    BIGINT NOT NULL,
  ended_ms      BIGINT NOT NULL
);
CREATE INDEX tasks_grant ON tasks (grant_id, state);
CREATE INDEX tasks_state ON tasks (state, id);

-- +goose Down
SELECT 1;
