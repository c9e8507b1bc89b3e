package wire

import "time"

// SignIn is how somebody can sign in to the web UI.
type SignIn struct {
	PersonID      string      `json:"person_id"`
	PasswordSetAt *time.Time  `json:"password_set_at,omitempty" doc:"Absent: they have no password"`
	Link          *SignInLink `json:"link,omitempty" doc:"Absent: there is none that works"`
}

// SignInLink lets its person set a password, once and until it ends.
type SignInLink struct {
	ID        string    `json:"id"`
	PersonID  string    `json:"person_id"`
	MadeBy    string    `json:"made_by"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

// SignInLinkValue is a new link and its address, which is shown this once.
type SignInLinkValue struct {
	Link SignInLink `json:"link"`
	URL  string     `json:"url,omitempty" doc:"What the person opens in a browser; shown this once"`
}

// OwnPassword shows that it is you, and not only your token, who asks.
type OwnPassword struct {
	OwnPassword string `json:"own_password,omitempty" doc:"Your own password for the web UI"`
}

// NewPassword is your own new password for the web UI.
type NewPassword struct {
	Present  string `json:"present" doc:"The one that you have now"`
	Password string `json:"password" doc:"At least 15 characters"`
}
