-- One act on many things, and what came of each.

-- +goose Up
CREATE TABLE batches (
  id          TEXT PRIMARY KEY,
  act         TEXT NOT NULL,
  person_id   TEXT NOT NULL,
  scopes      TEXT NOT NULL,
  admin       BOOLEAN NOT NULL,
  via         TEXT NOT NULL,
  chosen      TEXT NOT NULL,
  note        TEXT NOT NULL,
  state       TEXT NOT NULL,
  counts      TEXT NOT NULL,
  begun       BIGINT NOT NULL, -- how often its job was
  prepared_ms BIGINT NOT NULL,
  started_ms  BIGINT NOT NULL,
  ended_ms    BIGINT NOT NULL,
  stopped_by  TEXT NOT NULL
);
CREATE INDEX batches_person ON batches (person_id, id);
CREATE INDEX batches_state ON batches (state, prepared_ms);
CREATE INDEX batches_ended ON batches (ended_ms);

CREATE TABLE batch_rows (
  batch_id TEXT NOT NULL REFERENCES batches (id),
  n        BIGINT NOT NULL,
  thing_id TEXT NOT NULL,
  seen     TEXT NOT NULL, -- what whoever prepared it was shown
  state    TEXT NOT NULL,
  result   TEXT NOT NULL,
  problem  TEXT NOT NULL,
  at_ms    BIGINT NOT NULL,
  PRIMARY KEY (batch_id, n)
);

-- +goose Down
DROP TABLE batch_rows;
DROP TABLE batches;
