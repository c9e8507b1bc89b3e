package audit

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"time"
)

// SignedHead is the end of a chain as it is kept outside the database. Whoever
// puts an older database in place of the chain cannot take it back.
type SignedHead struct {
	Format    string    `json:"format"`
	At        time.Time `json:"at"`
	Seq       int64     `json:"seq"`
	Hash      string    `json:"hash"`
	PublicKey []byte    `json:"public_key"` // Ed25519; the same as long as the chain has its key
	Signature []byte    `json:"signature"`
}

const signedFormat = "margay-audit-head-1"

// signer returns the key that heads are signed with. It follows from the chain's
// key, which is used for nothing else as it is.
func signer(key []byte) ed25519.PrivateKey {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(signedFormat))
	return ed25519.NewKeyFromSeed(mac.Sum(nil))
}

func (h SignedHead) text() []byte {
	return fmt.Appendf(nil, "%s %d %d %s", h.Format, h.At.UnixMilli(), h.Seq, h.Hash)
}

// Sign returns the head, signed, as it stands at a time.
func (h Head) Sign(key []byte, at time.Time) SignedHead {
	private := signer(key)
	s := SignedHead{Format: signedFormat, At: at.UTC().Truncate(time.Millisecond), Seq: h.Seq, Hash: h.Hash, PublicKey: private.Public().(ed25519.PublicKey)}
	s.Signature = ed25519.Sign(private, s.text())
	return s
}

// Holds says whether the head was signed with the chain's key.
func (h SignedHead) Holds(key []byte) bool {
	public, ok := signer(key).Public().(ed25519.PublicKey)
	return ok && h.Format == signedFormat && ed25519.Verify(public, h.text(), h.Signature)
}
