-- +goose Up
-- Keyed, so that nobody but Margay can say which event is the last.
ALTER TABLE events_head ADD COLUMN mark TEXT NOT NULL DEFAULT '';

-- What lists look for: who asked, whom a run is for, what is under way.
CREATE INDEX requests_requester ON requests (requester_id, id);
CREATE INDEX runs_person ON runs (person_id, id);
CREATE INDEX grants_state ON grants (state, id);
DROP INDEX grants_person;
CREATE INDEX grants_person ON grants (person_id, app_id, state, id);

-- +goose Down
SELECT 1;
