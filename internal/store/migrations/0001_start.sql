-- One text for SQLite and PostgreSQL. Ids are text, times are milliseconds since
-- 1970 in UTC (0: none), lengths of time are milliseconds, lists are JSON text.

-- +goose Up
CREATE TABLE sealed_keys (
  name    TEXT PRIMARY KEY,
  wrapped TEXT NOT NULL
);

CREATE TABLE people (
  id         TEXT PRIMARY KEY,
  email      TEXT NOT NULL,
  email_key  TEXT NOT NULL UNIQUE, -- lower case: two people cannot differ in case alone
  name       TEXT NOT NULL,
  admin      BOOLEAN NOT NULL,
  disabled   BOOLEAN NOT NULL,
  created_ms BIGINT NOT NULL
);

CREATE TABLE tokens (
  id         TEXT PRIMARY KEY,
  person_id  TEXT NOT NULL REFERENCES people (id),
  name       TEXT NOT NULL,
  scopes     TEXT NOT NULL,
  hash       TEXT NOT NULL UNIQUE,
  created_ms BIGINT NOT NULL,
  expires_ms BIGINT NOT NULL,
  revoked_ms BIGINT NOT NULL
);

CREATE TABLE connections (
  id           TEXT PRIMARY KEY,
  integration  TEXT NOT NULL,
  display_name TEXT NOT NULL,
  settings     TEXT NOT NULL,
  sealed       TEXT NOT NULL,
  hints        TEXT NOT NULL,
  version      BIGINT NOT NULL,
  created_ms   BIGINT NOT NULL,
  updated_ms   BIGINT NOT NULL
);

CREATE TABLE policies (
  id             TEXT PRIMARY KEY,
  name           TEXT NOT NULL UNIQUE,
  longest_ms     BIGINT NOT NULL,
  usual_ms       BIGINT NOT NULL,
  reason_needed  BOOLEAN NOT NULL,
  on_behalf      BOOLEAN NOT NULL,
  steps          TEXT NOT NULL,
  version        BIGINT NOT NULL,
  created_ms     BIGINT NOT NULL
);

CREATE TABLE workflows (
  id              TEXT PRIMARY KEY,
  name            TEXT NOT NULL,
  type            TEXT NOT NULL,
  integration     TEXT NOT NULL,
  origin_bundle   TEXT NOT NULL,
  origin_workflow TEXT NOT NULL,
  origin_version  BIGINT NOT NULL,
  published       TEXT NOT NULL,
  created_ms      BIGINT NOT NULL
);
CREATE UNIQUE INDEX workflows_origin ON workflows (origin_bundle, origin_workflow) WHERE origin_bundle <> '';

CREATE TABLE workflow_versions (
  workflow_id TEXT NOT NULL REFERENCES workflows (id),
  hash        TEXT NOT NULL,
  number      BIGINT NOT NULL,
  file        TEXT NOT NULL,
  source      TEXT NOT NULL,
  modules     TEXT NOT NULL,
  created_ms  BIGINT NOT NULL,
  PRIMARY KEY (workflow_id, hash)
);

CREATE TABLE apps (
  id                      TEXT PRIMARY KEY,
  name                    TEXT NOT NULL UNIQUE,
  connection_id           TEXT NOT NULL REFERENCES connections (id),
  policy_id               TEXT NOT NULL,
  provision_workflow_id   TEXT NOT NULL REFERENCES workflows (id),
  deprovision_workflow_id TEXT NOT NULL REFERENCES workflows (id),
  on_revoke               TEXT NOT NULL,
  owners                  TEXT NOT NULL,
  created_ms              BIGINT NOT NULL
);

CREATE TABLE roles (
  id                      TEXT PRIMARY KEY,
  app_id                  TEXT NOT NULL REFERENCES apps (id),
  name                    TEXT NOT NULL,
  description             TEXT NOT NULL,
  policy_id               TEXT NOT NULL,
  provision_workflow_id   TEXT NOT NULL,
  deprovision_workflow_id TEXT NOT NULL,
  closed                  BOOLEAN NOT NULL,
  created_ms              BIGINT NOT NULL,
  UNIQUE (app_id, name)
);

CREATE TABLE requests (
  id           TEXT PRIMARY KEY,
  app_id       TEXT NOT NULL REFERENCES apps (id),
  role_id      TEXT NOT NULL REFERENCES roles (id),
  role_name    TEXT NOT NULL,
  person_id    TEXT NOT NULL REFERENCES people (id),
  requester_id TEXT NOT NULL REFERENCES people (id),
  length_ms    BIGINT NOT NULL,
  reason       TEXT NOT NULL,
  state        TEXT NOT NULL,
  policy       TEXT NOT NULL,
  approvals    TEXT NOT NULL,
  grant_id     TEXT NOT NULL,
  created_ms   BIGINT NOT NULL,
  decided_ms   BIGINT NOT NULL
);
CREATE INDEX requests_state ON requests (state, id);
CREATE INDEX requests_person ON requests (person_id, id);

CREATE TABLE grants (
  id              TEXT PRIMARY KEY,
  request_id      TEXT NOT NULL REFERENCES requests (id),
  app_id          TEXT NOT NULL REFERENCES apps (id),
  connection_id   TEXT NOT NULL REFERENCES connections (id),
  role_id         TEXT NOT NULL REFERENCES roles (id),
  role_name       TEXT NOT NULL,
  person_id       TEXT NOT NULL REFERENCES people (id),
  length_ms       BIGINT NOT NULL,
  state           TEXT NOT NULL,
  run_id          TEXT NOT NULL,
  attempts        BIGINT NOT NULL,
  created_ms      BIGINT NOT NULL,
  starts_ms       BIGINT NOT NULL,
  ends_ms         BIGINT NOT NULL,
  ended_ms        BIGINT NOT NULL,
  end_reason      TEXT NOT NULL,
  ended_by        TEXT NOT NULL,
  end_note        TEXT NOT NULL,
  problem         TEXT NOT NULL,
  proof           TEXT NOT NULL
);
CREATE INDEX grants_person ON grants (person_id, app_id, state);
CREATE INDEX grants_due ON grants (state, ends_ms);

CREATE TABLE runs (
  id            TEXT PRIMARY KEY,
  kind          TEXT NOT NULL,
  workflow_id   TEXT NOT NULL,
  version       TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  grant_id      TEXT NOT NULL,
  person_id     TEXT NOT NULL,
  trigger_text  TEXT NOT NULL,
  attempt       BIGINT NOT NULL,
  state         TEXT NOT NULL,
  output        TEXT NOT NULL,
  problem       TEXT NOT NULL,
  queued_ms     BIGINT NOT NULL,
  not_before_ms BIGINT NOT NULL,
  started_ms    BIGINT NOT NULL,
  ended_ms      BIGINT NOT NULL,
  settled_ms    BIGINT NOT NULL -- when its outcome was taken into its grant
);
CREATE INDEX runs_grant ON runs (grant_id, id);
CREATE INDEX runs_state ON runs (state, id);

CREATE TABLE run_steps (
  run_id     TEXT NOT NULL REFERENCES runs (id),
  seq        BIGINT NOT NULL,
  name       TEXT NOT NULL,
  state      TEXT NOT NULL,
  attempt    BIGINT NOT NULL,
  input      TEXT NOT NULL,
  output     TEXT NOT NULL,
  problem    TEXT NOT NULL,
  calls      TEXT NOT NULL,
  started_ms BIGINT NOT NULL,
  ended_ms   BIGINT NOT NULL,
  PRIMARY KEY (run_id, seq)
);

CREATE TABLE events (
  seq     BIGINT PRIMARY KEY,
  id      TEXT NOT NULL,
  at_ms   BIGINT NOT NULL,
  kind    TEXT NOT NULL,
  actor   TEXT NOT NULL,
  subject TEXT NOT NULL,
  data    TEXT NOT NULL,
  prev    TEXT NOT NULL,
  hash    TEXT NOT NULL
);
CREATE INDEX events_subject ON events (subject, seq);

-- The last event: appending takes its number from here, and an event that was
-- cut off at the end is missed by it.
CREATE TABLE events_head (
  one  BIGINT PRIMARY KEY,
  seq  BIGINT NOT NULL,
  hash TEXT NOT NULL
);
INSERT INTO events_head (one, seq, hash) VALUES (1, 0, '');

-- +goose Down
SELECT 1;
