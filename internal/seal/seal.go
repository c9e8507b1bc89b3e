// Package seal keeps secrets at rest: it encrypts a value for one place (a row
// and column) and opens it there only.
//
// Values are sealed by an AEAD keyset (Tink, AES-256-GCM) with the place as
// associated data, so a secret moved to another row is refused. The keyset is
// kept beside the data, wrapped by a key that is not: a local key file by
// default, or a key service by URL (gocloud.dev/secrets). The package decides
// nothing about who may read a secret; connection is its caller.
package seal

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
	"gocloud.dev/secrets"
	_ "gocloud.dev/secrets/localsecrets" // base64key://, which a local key file is opened as
)

// Store keeps wrapped keys by name. Neither of its values is of use without the
// wrapping key.
type Store interface {
	// SealedKey returns the wrapped key of the name, or nil when there is none.
	SealedKey(ctx context.Context, name string) ([]byte, error)
	// AddSealedKey keeps a wrapped key unless there is one of the name, and
	// returns the one that is kept.
	AddSealedKey(ctx context.Context, name string, wrapped []byte) ([]byte, error)
}

// Sealer seals and opens. Safe for concurrent use.
type Sealer struct {
	aead  tink.AEAD
	store Store
}

// Names of the kept keys.
const (
	keysetName = "keyset"
	auditName  = "audit"
)

// Open returns the sealer whose keyset is kept in store, wrapped by the key at
// keyURL: "file:///path/to/margay.key" (made with mode 0600 when there is
// none yet and nothing was sealed with it) or any gocloud.dev/secrets URL that
// this build knows.
func Open(ctx context.Context, keyURL string, store Store) (*Sealer, error) {
	wrapped, err := store.SealedKey(ctx, keysetName)
	if err != nil {
		return nil, err
	}
	keeper, err := openKeeper(ctx, keyURL, wrapped == nil)
	if err != nil {
		return nil, err
	}
	defer keeper.Close()
	kek := &wrapping{ctx: ctx, keeper: keeper}
	if wrapped == nil {
		if wrapped, err = newKeyset(kek); err != nil {
			return nil, err
		}
		if wrapped, err = store.AddSealedKey(ctx, keysetName, wrapped); err != nil {
			return nil, err
		}
	}
	handle, err := keyset.Read(keyset.NewBinaryReader(bytes.NewReader(wrapped)), kek)
	if err != nil {
		return nil, fmt.Errorf("the key at %s does not open this database's secrets: is it the key of another database? %w", redactURL(keyURL), err)
	}
	primitive, err := aead.New(handle)
	if err != nil {
		return nil, fmt.Errorf("use the keyset: %w", err)
	}
	return &Sealer{aead: primitive, store: store}, nil
}

// Made says whether keys are kept in store already, so that Open makes none.
func Made(ctx context.Context, store Store) (bool, error) {
	wrapped, err := store.SealedKey(ctx, keysetName)
	return wrapped != nil, err
}

func newKeyset(kek tink.AEAD) ([]byte, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("make a keyset: %w", err)
	}
	var buf bytes.Buffer
	if err := handle.Write(keyset.NewBinaryWriter(&buf), kek); err != nil {
		return nil, fmt.Errorf("wrap the keyset: %w", err)
	}
	return buf.Bytes(), nil
}

// Seal returns plain sealed for one place, such as "connections/con_1/secret".
func (s *Sealer) Seal(plain []byte, place string) (string, error) {
	sealed, err := s.aead.Encrypt(plain, []byte(place))
	if err != nil {
		return "", fmt.Errorf("seal %s: %w", place, err)
	}
	return base64.StdEncoding.EncodeToString(sealed), nil
}

// Open returns what was sealed for the place. A value from another place, or
// one that was altered, is refused.
func (s *Sealer) Open(sealed, place string) ([]byte, error) {
	raw, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		return nil, fmt.Errorf("open %s: not a sealed value", place)
	}
	plain, err := s.aead.Decrypt(raw, []byte(place))
	if err != nil {
		return nil, fmt.Errorf("open %s: the secret was not sealed here with this key", place)
	}
	return plain, nil
}

// AuditKey returns the key of the audit chain's hashes, which is made once and
// kept sealed.
func (s *Sealer) AuditKey(ctx context.Context) ([]byte, error) {
	sealed, err := s.store.SealedKey(ctx, auditName)
	if err != nil {
		return nil, err
	}
	if sealed == nil {
		key := make([]byte, 32)
		rand.Read(key)
		text, err := s.Seal(key, auditName)
		if err != nil {
			return nil, err
		}
		if sealed, err = s.store.AddSealedKey(ctx, auditName, []byte(text)); err != nil {
			return nil, err
		}
	}
	return s.Open(string(sealed), auditName)
}

// wrapping is the key that wraps the keyset, as Tink wants it.
type wrapping struct {
	ctx    context.Context //nolint:containedctx // Tink's interface has no room for it; lives as long as Open
	keeper *secrets.Keeper
}

func (w *wrapping) Encrypt(plain, _ []byte) ([]byte, error) { return w.keeper.Encrypt(w.ctx, plain) }
func (w *wrapping) Decrypt(text, _ []byte) ([]byte, error)  { return w.keeper.Decrypt(w.ctx, text) }

func openKeeper(ctx context.Context, keyURL string, mayMake bool) (*secrets.Keeper, error) {
	if path, ok := strings.CutPrefix(keyURL, "file://"); ok {
		key, err := readKeyFile(path, mayMake)
		if err != nil {
			return nil, err
		}
		keyURL = "base64key://" + base64.URLEncoding.EncodeToString(key)
	}
	keeper, err := secrets.OpenKeeper(ctx, keyURL)
	if err != nil {
		return nil, fmt.Errorf("open the key at %s: %w", redactURL(keyURL), err)
	}
	return keeper, nil
}

func readKeyFile(path string, mayMake bool) ([]byte, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if errors.Is(err, fs.ErrNotExist) && mayMake {
		return makeKeyFile(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the key file %s is missing: put it back from where you keep it; without it the secrets in this database cannot be opened%w", path, &quiet{err})
	}
	if err != nil {
		return nil, fmt.Errorf("read the key file: %w", err)
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != 32 {
		return nil, fmt.Errorf("the key file %s does not hold a key of 32 bytes in base64", path)
	}
	return key, nil
}

// quiet is a cause for errors.Is that adds nothing to the sentence.
type quiet struct{ error }

func (*quiet) Error() string   { return "" }
func (q *quiet) Unwrap() error { return q.error }

func makeKeyFile(path string) ([]byte, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the key file: %w", err)
	}
	key := make([]byte, 32)
	rand.Read(key)
	// Whole or not at all, and there after a loss of power too: what is sealed
	// with a key that is gone cannot be opened again. A link does not replace a
	// file that another process has just made.
	part := path + ".new-" + rand.Text()
	if err := writeSynced(part, base64.StdEncoding.EncodeToString(key)+"\n"); err != nil {
		return nil, fmt.Errorf("write the key file: %w", err)
	}
	if err := errors.Join(os.Link(part, path), os.Remove(part), syncFolder(filepath.Dir(path))); err != nil {
		return nil, fmt.Errorf("make the key file: %w", err)
	}
	return key, nil
}

func writeSynced(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the operator names the file
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}

func syncFolder(path string) error {
	d, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// redactURL names a key without showing one: base64key:// holds the key itself.
func redactURL(keyURL string) string {
	if scheme, _, ok := strings.Cut(keyURL, "://"); ok && scheme == "base64key" {
		return "base64key://…"
	}
	return keyURL
}
