-- +goose Up
-- What the clock could not do for one grant or request, and when it tries again.
CREATE TABLE postponed (
  subject  TEXT PRIMARY KEY,
  chore    TEXT NOT NULL,
  problem  TEXT NOT NULL,
  tries    BIGINT NOT NULL,
  since_ms BIGINT NOT NULL,
  next_ms  BIGINT NOT NULL
);

-- +goose Down
DROP TABLE postponed;
