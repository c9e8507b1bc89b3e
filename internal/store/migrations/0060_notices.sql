-- Notices: what is told to people and programs about events that are recorded.

-- +goose Up
-- Up to which event deliveries have been made. mail_since is the event from
-- which on mail is sent, -1 while mail is not set up.
CREATE TABLE notices_cursor (
  one        BIGINT PRIMARY KEY,
  seq        BIGINT NOT NULL,
  mail_since BIGINT NOT NULL
);
INSERT INTO notices_cursor (one, seq, mail_since) VALUES (1, 0, -1);

CREATE TABLE webhooks (
  id              TEXT PRIMARY KEY,
  name            TEXT NOT NULL,
  url             TEXT NOT NULL,
  types           TEXT NOT NULL, -- JSON list; empty: all
  content         TEXT NOT NULL,
  secrets         TEXT NOT NULL, -- JSON list of sealed secrets, the newest first
  since_seq       BIGINT NOT NULL,
  state           TEXT NOT NULL,
  problem         TEXT NOT NULL,
  failing_ms      BIGINT NOT NULL,
  succeeded_ms    BIGINT NOT NULL,
  created_ms      BIGINT NOT NULL
);

CREATE TABLE deliveries (
  id         TEXT PRIMARY KEY,
  queue      TEXT NOT NULL, -- the webhook's id, or mail
  message_id TEXT NOT NULL, -- what receivers tell doubles by
  type       TEXT NOT NULL,
  subject    TEXT NOT NULL,
  person_id  TEXT NOT NULL, -- to whom mail goes
  once       TEXT NOT NULL UNIQUE,
  body       TEXT NOT NULL,
  state      TEXT NOT NULL,
  attempts   BIGINT NOT NULL,
  next_ms    BIGINT NOT NULL,
  claimed_ms BIGINT NOT NULL, -- until when one node has it
  created_ms BIGINT NOT NULL,
  done_ms    BIGINT NOT NULL,
  problem    TEXT NOT NULL,
  tries      TEXT NOT NULL
);
CREATE INDEX deliveries_due ON deliveries (state, queue, next_ms);
CREATE INDEX deliveries_queue ON deliveries (queue, id);
CREATE INDEX deliveries_done ON deliveries (state, done_ms);

-- Which ends have been told of before they come.
CREATE TABLE ends_told (
  grant_id TEXT NOT NULL,
  ends_ms  BIGINT NOT NULL,
  PRIMARY KEY (grant_id, ends_ms)
);

-- Who wants no mail.
CREATE TABLE mail_refused (
  person_id TEXT PRIMARY KEY
);

-- +goose Down
SELECT 1;
