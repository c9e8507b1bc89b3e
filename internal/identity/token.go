package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"slices"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/fault"
)

// TokenPrefix begins every API token, so that scanners of repositories find one
// that leaked.
const TokenPrefix = "margay_pat_" //nolint:gosec // how tokens begin, not one

// Token lets a program act as a person. Only the hash of its value is kept.
type Token struct {
	ID        string
	Person    PersonID
	Name      string
	Scopes    []Scope
	Hash      string // SHA-256 of the value, hex
	CreatedAt time.Time
	ExpiresAt time.Time // zero: does not expire
	RevokedAt time.Time // zero: not revoked
}

// NewToken returns a token and its value. The value is shown once and kept
// nowhere.
func NewToken(id string, person PersonID, name string, scopes []Scope, now time.Time) (Token, string, error) {
	for _, s := range scopes {
		if !slices.Contains(Scopes(), s) {
			return Token{}, "", fault.Field("scope", "There is no scope %q.", s)
		}
	}
	value := newTokenValue()
	return Token{ID: id, Person: person, Name: name, Scopes: scopes, Hash: HashToken(value), CreatedAt: now}, value, nil
}

// newTokenValue returns 256 random bits and a checksum behind the prefix.
func newTokenValue() string {
	b := make([]byte, 32)
	rand.Read(b)
	body := base64.RawURLEncoding.EncodeToString(b)
	return TokenPrefix + body + "_" + checksum(body)
}

func checksum(body string) string {
	return hex.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(body))))
}

// WellFormed says whether value can be a token at all, so that a mistyped one
// costs no look-up.
func WellFormed(value string) bool {
	rest, ok := strings.CutPrefix(value, TokenPrefix)
	i := strings.LastIndexByte(rest, '_')
	return ok && i > 0 && checksum(rest[:i]) == rest[i+1:]
}

// HashToken returns what is kept of a token's value.
func HashToken(value string) string {
	sum := sha256.Sum256([]byte(value))
	return hex.EncodeToString(sum[:])
}

// Valid says whether the token may be used at the time now.
func (t Token) Valid(now time.Time) bool {
	return t.RevokedAt.IsZero() && (t.ExpiresAt.IsZero() || now.Before(t.ExpiresAt))
}
