// Package connection holds the configured sites: settings, sealed secret, and
// the one open client of each, through which every call to its system goes.
//
// A connection belongs to an integration, which says what its settings are and
// how to talk to the system; this package knows none by name. It opens a secret
// only to hand it to the integration's client, keeps one client per connection
// so that calls share one exchange, guards which addresses may be dialled, and
// runs health checks. Workflows reach it through Act, people through Call.
package connection

import (
	"maps"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/integration"
)

// Connection is one configured site.
type Connection struct {
	ID          string // "con_…"
	Integration string // kind
	DisplayName string
	Settings    integration.Settings // without the secrets
	Sealed      map[string]string    // secret fields, sealed for their place
	Hints       map[string]string    // secret fields as they are shown: bullets and the last four characters
	Version     int                  // 1, 2, …: grows with each change of the settings
	CreatedAt   time.Time
	UpdatedAt   time.Time
	UpdatedBy   Author
	SecretAt    time.Time // when the secret was set; zero: not known
	SecretBy    Author
	PausedAt    time.Time // zero: it is not paused
	PausedBy    Author
}

// Author is who did something, by the name that people know them by.
type Author struct {
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
}

func authorOf(who identity.Actor) Author { return Author{ID: who.String(), Name: who.Name} }

// String returns the name, else the id.
func (a Author) String() string {
	switch {
	case a.Name != "":
		return a.Name
	case a.ID != "":
		return a.ID
	}
	return "somebody"
}

const bullets = "••••••••"

// mask returns what is shown of a secret: bullets and its last four characters,
// or bullets alone when it is shorter than 16 characters. Of no secret, nothing
// is shown.
func mask(secret string) string {
	r := []rune(secret)
	switch {
	case len(r) == 0:
		return ""
	case len(r) < 16:
		return bullets
	}
	return bullets + string(r[len(r)-4:])
}

// looksMasked says whether a value is what mask gives, or a part of it, or another
// program's mask: the form sent back what it was shown. No secret of a system
// holds a bullet, or begins with four stars and ends after eight characters more.
func looksMasked(value string) bool {
	stars := strings.TrimLeft(value, "*")
	return strings.ContainsRune(value, '•') || len(value)-len(stars) >= 4 && len([]rune(stars)) <= 8
}

// place is where a secret is sealed for.
func place(id, field string) string { return "connections/" + id + "/" + field }

// split parts settings into those that may be shown and the secrets.
func split(fields []integration.Field, s integration.Settings) (open, secret integration.Settings) {
	open, secret = integration.Settings{}, integration.Settings{}
	for _, f := range fields {
		if f.Secret {
			secret[f.Key] = s[f.Key]
		} else {
			open[f.Key] = s[f.Key]
		}
	}
	return open, secret
}

// checkKnown refuses settings that the integration has no field for, and masks
// that came back as secrets.
func checkKnown(in integration.Integration, s integration.Settings) error {
	var faults []*fault.Error
	known := map[string]integration.Field{}
	for _, f := range in.Fields {
		known[f.Key] = f
	}
	for key, value := range s {
		f, ok := known[key]
		switch {
		case !ok:
			faults = append(faults, fault.Field("settings."+key, "%s has no setting %q.", in.Name, key))
		case f.Secret && looksMasked(value):
			faults = append(faults, fault.Field("settings."+key, "That is the masked secret, not a secret. Leave it out to keep the one that is stored.").WithCode("masked"))
		}
	}
	return fault.Join(faults...)
}

// Masked returns the settings as they may be shown: secrets as bullets.
func (c Connection) Masked() integration.Settings {
	s := maps.Clone(c.Settings)
	maps.Copy(s, c.Hints)
	return s
}
