-- +goose Up
-- How long a check waited, for example because the system asked to slow down, and
-- what may mend a failure: "rotate edit".
ALTER TABLE connection_checks ADD COLUMN waited_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE connection_checks ADD COLUMN mends TEXT NOT NULL DEFAULT '';

-- The checks that are running, and those whose last try came to no result: pages
-- of all nodes follow a run by it.
CREATE TABLE connection_check_runs (
  connection_id TEXT NOT NULL REFERENCES connections (id),
  check_key     TEXT NOT NULL,
  version       BIGINT NOT NULL, -- of the connection
  began_ms      BIGINT NOT NULL,
  until_ms      BIGINT NOT NULL, -- its node is taken to be gone after that; 0: it ended without a result
  waits_ms      BIGINT NOT NULL, -- nothing is sent before that; 0: it does not wait
  trouble       TEXT NOT NULL,   -- why it ended without a result
  hint          TEXT NOT NULL,
  PRIMARY KEY (connection_id, check_key)
);

-- +goose Down
SELECT 1;
