-- What a person holds now, on whichever site: asked before each run.

-- +goose Up
CREATE INDEX grants_holder ON grants (person_id, state);

-- +goose Down
SELECT 1;
