-- +goose Up
-- When the person last proved by their password who they are: at the sign-in, and
-- again before an act that a browser left alone must not do. 0: at the sign-in.
ALTER TABLE sessions ADD COLUMN proven_ms BIGINT NOT NULL DEFAULT 0;

-- +goose Down
SELECT 1;
