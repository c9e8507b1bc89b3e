-- +goose Up
-- With a sign-in link somebody sets a password of their own: once, and until it
-- ends. A person has one at most: a newer one takes its place.
CREATE TABLE sign_in_links (
  person_id  TEXT PRIMARY KEY REFERENCES people (id),
  id         TEXT NOT NULL,
  hash       TEXT NOT NULL UNIQUE, -- SHA-256 of the link's value
  made_by    TEXT NOT NULL,        -- a person, or 'system'
  created_ms BIGINT NOT NULL,
  expires_ms BIGINT NOT NULL
);

-- +goose Down
SELECT 1;
