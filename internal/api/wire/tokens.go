package wire

import "time"

// Token lets a program act as a person. Its value is shown when it is made and
// never again.
type Token struct {
	ID        string     `json:"id"`
	PersonID  string     `json:"person_id"`
	Name      string     `json:"name"`
	Scopes    []string   `json:"scopes"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
	RevokedAt *time.Time `json:"revoked_at,omitempty"`
	Valid     bool       `json:"valid"`
	Current   bool       `json:"current,omitempty" doc:"It is the one that this call is made with"`
}

// NewToken is a token to be made for yourself.
type NewToken struct {
	Name      string   `json:"name" doc:"What it is for"`
	Scopes    []string `json:"scopes"`
	ExpiresIn Duration `json:"expires_in,omitempty" doc:"A year at most; default: 90 days"`
}

// TokenValue is a new token and its value, which is shown this once.
type TokenValue struct {
	Token Token  `json:"token"`
	Value string `json:"value,omitempty" doc:"margay_pat_…; shown this once"`
}
