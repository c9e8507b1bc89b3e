-- +goose Up
-- Access without an end that could not be set up, and of which something may be
-- there, ends a week after it is given up: nobody holds it. What was given up
-- before has a week from now, which is when something happened last.
UPDATE grants SET ends_ms = (SELECT coalesce(max(at_ms), 0) FROM events) + 604800000
WHERE state = 'not_set_up' AND length_ms = 0 AND starts_ms > 0 AND ends_ms = 0 AND next_run_id = ''
  AND (set_up = '{}' OR set_up LIKE '%"At":"0001-01-01T00:00:00Z"%');

-- +goose Down
UPDATE grants SET ends_ms = 0 WHERE state = 'not_set_up' AND length_ms = 0 AND starts_ms > 0;
