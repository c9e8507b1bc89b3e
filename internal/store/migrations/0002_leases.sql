-- The right to have a session with one token, among the nodes of a PostgreSQL
-- database. fence grows with each holder; wanted_ms says until when somebody
-- waits for it.

-- +goose Up
CREATE TABLE leases (
  name       TEXT PRIMARY KEY,
  holder     TEXT NOT NULL,
  fence      BIGINT NOT NULL,
  expires_ms BIGINT NOT NULL,
  wanted_ms  BIGINT NOT NULL
);

-- Events that were written without the key of the chain, by a program that
-- made a token beside the server. The next event that is recorded takes them
-- along.
CREATE TABLE events_pending (
  id      TEXT PRIMARY KEY,
  at_ms   BIGINT NOT NULL,
  kind    TEXT NOT NULL,
  actor   TEXT NOT NULL,
  subject TEXT NOT NULL,
  data    TEXT NOT NULL
);

-- +goose Down
SELECT 1;
