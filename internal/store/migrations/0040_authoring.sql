-- Workflows as people write them: drafts, what a version declares, when it
-- runs by itself, and what a request asks of a workflow.

-- +goose Up
ALTER TABLE workflows ADD COLUMN connection_id TEXT NOT NULL DEFAULT '';
ALTER TABLE workflows ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE workflows ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
ALTER TABLE workflows ADD COLUMN starters TEXT NOT NULL DEFAULT '{}';
ALTER TABLE workflows ADD COLUMN paused BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE workflows ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
ALTER TABLE workflows ADD COLUMN next_ms BIGINT NOT NULL DEFAULT 0; -- when it runs by itself
ALTER TABLE workflows ADD COLUMN archived_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE workflows ADD COLUMN origin_hash TEXT NOT NULL DEFAULT ''; -- of the version that is as it was shipped
UPDATE workflows SET origin_hash = published WHERE origin_bundle <> '';
CREATE INDEX workflows_next ON workflows (next_ms);

ALTER TABLE workflow_versions ADD COLUMN inputs TEXT NOT NULL DEFAULT '';
ALTER TABLE workflow_versions ADD COLUMN cron TEXT NOT NULL DEFAULT '';
ALTER TABLE workflow_versions ADD COLUMN zone TEXT NOT NULL DEFAULT '';
ALTER TABLE workflow_versions ADD COLUMN note TEXT NOT NULL DEFAULT '';
ALTER TABLE workflow_versions ADD COLUMN author_id TEXT NOT NULL DEFAULT '';

CREATE TABLE workflow_drafts (
  workflow_id    TEXT PRIMARY KEY REFERENCES workflows (id),
  file           TEXT NOT NULL,
  source         TEXT NOT NULL,
  inputs         TEXT NOT NULL,
  cron           TEXT NOT NULL,
  zone           TEXT NOT NULL,
  bundle_version BIGINT NOT NULL, -- of the bundle that its text is from; 0: none
  author_id      TEXT NOT NULL,
  changed_ms     BIGINT NOT NULL
);

-- What a run was told by whom started it, and which request it decides on.
ALTER TABLE runs ADD COLUMN input TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN request_id TEXT NOT NULL DEFAULT '';
CREATE INDEX runs_workflow ON runs (workflow_id, state);

ALTER TABLE requests ADD COLUMN asked TEXT NOT NULL DEFAULT '[]';

-- +goose Down
SELECT 1;
