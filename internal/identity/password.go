package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"github.com/margay-access/margay/internal/fault"
)

// How long a password is, in characters. There is no rule of composition: NIST
// SP 800-63B-4 asks for length where the password is the only factor.
const (
	ShortestPassword = 15
	longestPassword  = 1000
)

// What Argon2id costs: 19 MiB, two passes, one lane.
const (
	argonMemory = 19 * 1024 // KiB
	argonTime   = 2
	argonLanes  = 1
	argonSalt   = 16
	argonKey    = 32
)

// hashesAtOnce bounds the memory that sign-ins can take together.
const hashesAtOnce = 2

// passwords hashes passwords, a few at a time.
type passwords struct {
	turns chan struct{}
}

func newPasswords() *passwords { return &passwords{turns: make(chan struct{}, hashesAtOnce)} }

// turn waits for a place; leave gives it back.
func (p *passwords) turn(ctx context.Context) (leave func(), err error) {
	select {
	case p.turns <- struct{}{}:
		return func() { <-p.turns }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// hash returns what is kept of a password, in the form that Argon2's own tool
// prints.
func (p *passwords) hash(ctx context.Context, password string) (string, error) {
	leave, err := p.turn(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	salt := make([]byte, argonSalt)
	rand.Read(salt)
	return encodeHash(salt, argonOf(password, salt)), nil
}

func argonOf(password string, salt []byte) []byte {
	return argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonLanes, argonKey)
}

func encodeHash(salt, key []byte) string {
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonLanes, b64(salt), b64(key))
}

// matches says whether the password is the one of the hash. Without a hash it
// takes as long and says no, so that a stranger does not learn who has one.
func (p *passwords) matches(ctx context.Context, hash, password string) (bool, error) {
	leave, err := p.turn(ctx)
	if err != nil {
		return false, err
	}
	defer leave()
	if hash == "" {
		argonOf(password, make([]byte, argonSalt))
		return false, nil
	}
	salt, key, err := decodeHash(hash)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(key, argonOf(password, salt)) == 1, nil
}

var errHash = errors.New("the hash of a password cannot be read")

func decodeHash(hash string) (salt, key []byte, err error) {
	parts := strings.Split(hash, "$")
	head := strings.Split(encodeHash(nil, nil), "$")
	if len(parts) != len(head) || strings.Join(parts[:4], "$") != strings.Join(head[:4], "$") {
		return nil, nil, errHash
	}
	if salt, err = base64.RawStdEncoding.DecodeString(parts[4]); err != nil {
		return nil, nil, errHash
	}
	if key, err = base64.RawStdEncoding.DecodeString(parts[5]); err != nil || len(key) != argonKey {
		return nil, nil, errHash
	}
	return salt, key, nil
}

// checkPassword says what is wrong with a new password.
func checkPassword(field, password string, p Person) error {
	n := utf8.RuneCountInString(password)
	switch {
	case !utf8.ValidString(password):
		return fault.Field(field, "A password cannot hold that character.")
	case n < ShortestPassword:
		return fault.Field(field, "A password has at least %d characters; four words do well.", ShortestPassword)
	case n > longestPassword:
		return fault.Field(field, "A password has at most %d characters.", longestPassword)
	case strings.EqualFold(password, p.Email), strings.EqualFold(password, p.Name):
		return fault.Field(field, "Your name or e-mail address is no password.")
	case strings.Count(password, password[:1]) == len(password):
		return fault.Field(field, "One character again and again is no password.")
	}
	return nil
}
