-- Calls of the API that are made once however often they are sent.

-- +goose Up
CREATE TABLE idempotency_keys (
  caller     TEXT NOT NULL,
  route      TEXT NOT NULL,
  key        TEXT NOT NULL,
  body_hash  TEXT NOT NULL,
  state      TEXT NOT NULL,
  status     BIGINT NOT NULL,
  header     TEXT NOT NULL,
  body       TEXT NOT NULL,
  forgotten  BOOLEAN NOT NULL, -- it was done, but its answer was not kept
  created_ms BIGINT NOT NULL,
  PRIMARY KEY (caller, route, key)
);
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_ms);

-- What lists of tokens and of the audit log look for.
CREATE INDEX tokens_person ON tokens (person_id, id);
CREATE INDEX events_kind ON events (kind, seq);
CREATE INDEX events_actor ON events (actor, seq);
CREATE INDEX events_at ON events (at_ms, seq);

-- +goose Down
SELECT 1;
