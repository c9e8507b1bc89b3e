-- Groups and managers; profiles; the history of policies; how long a request
-- waits, from when its access is to start, and who may see and decide it.

-- +goose Up
ALTER TABLE people ADD COLUMN manager_id TEXT NOT NULL DEFAULT '';
CREATE INDEX people_manager ON people (manager_id);
CREATE INDEX people_name ON people (name, id);

CREATE TABLE groups (
  id          TEXT PRIMARY KEY,
  name        TEXT NOT NULL,
  name_key    TEXT NOT NULL UNIQUE, -- lower case: two groups cannot differ in case alone
  description TEXT NOT NULL,
  created_ms  BIGINT NOT NULL
);

CREATE TABLE group_members (
  group_id  TEXT NOT NULL REFERENCES groups (id),
  person_id TEXT NOT NULL REFERENCES people (id),
  PRIMARY KEY (group_id, person_id)
);
CREATE INDEX group_members_person ON group_members (person_id, group_id);

CREATE TABLE profiles (
  id          TEXT PRIMARY KEY,
  name        TEXT NOT NULL UNIQUE,
  groups      TEXT NOT NULL,
  whom_to_ask TEXT NOT NULL,
  created_ms  BIGINT NOT NULL
);

ALTER TABLE apps ADD COLUMN owner_groups TEXT NOT NULL DEFAULT '[]';
ALTER TABLE apps ADD COLUMN profile_id TEXT NOT NULL DEFAULT '';
ALTER TABLE roles ADD COLUMN profile_id TEXT NOT NULL DEFAULT '';

ALTER TABLE policies ADD COLUMN on_behalf_by TEXT NOT NULL DEFAULT 'nobody';
UPDATE policies SET on_behalf_by = 'anybody' WHERE on_behalf;
ALTER TABLE policies DROP COLUMN on_behalf;
ALTER TABLE policies ADD COLUMN auto TEXT NOT NULL DEFAULT 'null';
ALTER TABLE policies ADD COLUMN waits_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE policies ADD COLUMN saved_by TEXT NOT NULL DEFAULT '';
ALTER TABLE policies ADD COLUMN saved_ms BIGINT NOT NULL DEFAULT 0;

CREATE TABLE policy_versions (
  id            TEXT NOT NULL REFERENCES policies (id),
  version       BIGINT NOT NULL,
  name          TEXT NOT NULL,
  longest_ms    BIGINT NOT NULL,
  usual_ms      BIGINT NOT NULL,
  reason_needed BOOLEAN NOT NULL,
  on_behalf_by  TEXT NOT NULL,
  steps         TEXT NOT NULL,
  auto          TEXT NOT NULL,
  waits_ms      BIGINT NOT NULL,
  created_ms    BIGINT NOT NULL,
  saved_by      TEXT NOT NULL,
  saved_ms      BIGINT NOT NULL,
  PRIMARY KEY (id, version)
);
INSERT INTO policy_versions (id, version, name, longest_ms, usual_ms, reason_needed, on_behalf_by, steps, auto, waits_ms, created_ms, saved_by, saved_ms)
  SELECT id, version, name, longest_ms, usual_ms, reason_needed, on_behalf_by, steps, auto, waits_ms, created_ms, saved_by, saved_ms FROM policies;

ALTER TABLE requests ADD COLUMN extends_id TEXT NOT NULL DEFAULT '';
ALTER TABLE requests ADD COLUMN starts_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE requests ADD COLUMN lapses_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE requests ADD COLUMN step BIGINT NOT NULL DEFAULT -1; -- the one that waits; -1: its keys are not kept yet
UPDATE requests SET lapses_ms = created_ms + 2592000000 WHERE state = 'waiting_for_approval'; -- 30 days
-- What was a yes or a no has names now; in JSON text a quote inside a text is
-- escaped, so nothing else reads like this.
UPDATE requests SET policy = REPLACE(REPLACE(policy, '"OnBehalf":true', '"OnBehalf":"anybody"'), '"OnBehalf":false', '"OnBehalf":"nobody"');
CREATE INDEX requests_lapse ON requests (state, lapses_ms);
CREATE INDEX requests_role ON requests (role_id, id);
CREATE INDEX requests_app ON requests (app_id, id);

CREATE TABLE request_keys (
  key_text   TEXT NOT NULL, -- person:…, group:…, owner:…, manager:…
  request_id TEXT NOT NULL REFERENCES requests (id),
  step       BIGINT NOT NULL, -- the step it decides; -1: to see it alone
  PRIMARY KEY (key_text, request_id, step)
);
CREATE INDEX request_keys_request ON request_keys (request_id);

CREATE TABLE request_comments (
  id         TEXT PRIMARY KEY,
  request_id TEXT NOT NULL REFERENCES requests (id),
  by_id      TEXT NOT NULL REFERENCES people (id),
  text       TEXT NOT NULL,
  at_ms      BIGINT NOT NULL
);
CREATE INDEX request_comments_request ON request_comments (request_id, id);

-- +goose Down
SELECT 1;
