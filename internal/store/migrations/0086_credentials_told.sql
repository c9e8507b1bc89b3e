-- +goose Up
-- Which ends of credentials have been told: each is told once.
CREATE TABLE credentials_told (
  connection_id TEXT NOT NULL,
  ends_ms       BIGINT NOT NULL,
  PRIMARY KEY (connection_id, ends_ms)
);

-- +goose Down
DROP TABLE credentials_told;
