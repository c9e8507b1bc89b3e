-- +goose Up
-- Runs are counted by state, the ended ones among a hundred thousand: each way in
-- which a list is narrowed finds those of one state in its index, and its newest.
CREATE INDEX runs_counted ON runs (state, queued_ms, workflow_id, grant_id, request_id, person_id);
CREATE INDEX runs_kind_state ON runs (kind, state, queued_ms);
CREATE INDEX runs_connection_state ON runs (connection_id, state, queued_ms);
CREATE INDEX runs_cause_state ON runs (substr(trigger_text, 1, 3), state, queued_ms);
CREATE INDEX runs_cause ON runs (substr(trigger_text, 1, 3), id);
CREATE INDEX runs_request ON runs (request_id, state);
DROP INDEX runs_workflow;
CREATE INDEX runs_workflow ON runs (workflow_id, state, queued_ms);
CREATE INDEX runs_of_workflow ON runs (workflow_id, id);
DROP INDEX runs_person;
CREATE INDEX runs_person ON runs (person_id, state, queued_ms);

-- +goose Down
DROP INDEX runs_counted;
DROP INDEX runs_kind_state;
DROP INDEX runs_connection_state;
DROP INDEX runs_cause_state;
DROP INDEX runs_cause;
DROP INDEX runs_request;
DROP INDEX runs_of_workflow;
DROP INDEX runs_workflow;
CREATE INDEX runs_workflow ON runs (workflow_id, state);
DROP INDEX runs_person;
CREATE INDEX runs_person ON runs (person_id, id);
