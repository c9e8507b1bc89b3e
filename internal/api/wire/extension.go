package wire

import "time"

// MovedEnd is what the approval of a request for more time would do now.
type MovedEnd struct {
	EndsAt     *time.Time `json:"ends_at" doc:"When the access ends now; null: it is being set up"`
	WouldEndAt *time.Time `json:"would_end_at" doc:"When it would end, approved now as it was asked for; null: not by itself, or it is being set up"`
	Duration   Duration   `json:"duration" doc:"How long it would last in all; null: without an end"`
	Capped     bool       `json:"capped" doc:"The policy lets less be added than was asked for"`
}
