package tableau

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// Secret is a value that no print, log or marshalling shows. The zero value is
// the empty secret.
type Secret struct {
	// A func, because printing and comparing packages look through strings,
	// slices and pointers of unexported fields, and stop at a func.
	reveal func() string
}

// NewSecret returns s as a Secret.
func NewSecret(s string) Secret {
	return Secret{reveal: func() string { return s }}
}

// value returns the secret in the clear, for the sign-in body and the session
// header only.
func (s Secret) value() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// IsZero reports whether the secret is empty.
func (s Secret) IsZero() bool { return s.value() == "" }

// Equal reports in constant time whether both secrets are the same.
func (s Secret) Equal(t Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.value()), []byte(t.value())) == 1
}

// String returns [redacted].
func (s Secret) String() string { return redacted }

// GoString returns [redacted].
func (s Secret) GoString() string { return redacted }

// Format writes [redacted] for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText returns [redacted].
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON returns "[redacted]".
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// LogValue returns [redacted].
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
