-- Passwords, sessions in a browser, failed sign-ins and the forms that were
-- sent. Values that open something are kept as hashes only.

-- +goose Up
CREATE TABLE passwords (
  person_id  TEXT PRIMARY KEY REFERENCES people (id),
  hash       TEXT NOT NULL, -- Argon2id with its parameters and salt
  changed_ms BIGINT NOT NULL
);

CREATE TABLE sessions (
  id         TEXT PRIMARY KEY,
  person_id  TEXT NOT NULL REFERENCES people (id),
  hash       TEXT NOT NULL UNIQUE, -- SHA-256 of the cookie's value
  agent      TEXT NOT NULL,
  address    TEXT NOT NULL,
  created_ms BIGINT NOT NULL,
  seen_ms    BIGINT NOT NULL
);
CREATE INDEX sessions_person ON sessions (person_id, id);

CREATE TABLE sign_in_failures (
  account   TEXT PRIMARY KEY, -- SHA-256 of the e-mail address, known or not
  failures  BIGINT NOT NULL,
  failed_ms BIGINT NOT NULL
);

-- A form is sent once, however often its button is pressed.
CREATE TABLE sent_forms (
  key       TEXT PRIMARY KEY, -- SHA-256 of the session and the form's key
  at_ms     BIGINT NOT NULL,
  answer    TEXT NOT NULL     -- where the browser was sent; '' while it is under way
);
CREATE INDEX sent_forms_at ON sent_forms (at_ms);

-- +goose Down
SELECT 1;
