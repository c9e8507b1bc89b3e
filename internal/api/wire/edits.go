package wire

import "time"

// Edited says which version of something this is, and who saved it.
type Edited struct {
	Version   int        `json:"version" doc:"Grows with each change: give it with an edit of what you saw"`
	SavedByID string     `json:"saved_by_id,omitempty" doc:"Who saved this version"`
	SavedAt   *time.Time `json:"saved_at,omitempty"`
}

// EditOf says which version an edit is of.
type EditOf struct {
	Version int `json:"version,omitempty" minimum:"0" doc:"The one that the editor saw: when another was saved meanwhile, nothing is changed and the answer is 409, with what is stored now in errors. If-Match with the ETag does the same. Left out: what is not given stays as it is at that moment"`
}
