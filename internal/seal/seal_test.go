package seal_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/margay-access/margay/internal/seal"
)

// keys keeps wrapped keys in memory.
type keys map[string][]byte

func (k keys) SealedKey(_ context.Context, name string) ([]byte, error) { return k[name], nil }

func (k keys) AddSealedKey(_ context.Context, name string, wrapped []byte) ([]byte, error) {
	if k[name] == nil {
		k[name] = wrapped
	}
	return k[name], nil
}

const secret = "S4dD5AVINzA==:aQp3EPJy09Cf3dS4dD5AVINzA"

func open(t *testing.T, path string, k keys) *seal.Sealer {
	t.Helper()
	s, err := seal.Open(t.Context(), "file://"+path, k)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// S6: encrypted at rest.
func TestSealedOpensInItsPlaceOnly(t *testing.T) {
	t.Parallel()
	path, k := filepath.Join(t.TempDir(), "d", "margay.key"), keys{}
	s := open(t, path, k)

	sealed, err := s.Seal([]byte(secret), "connections/con_1/secret")
	if err != nil {
		t.Fatal(err)
	}

	if strings.Contains(sealed, secret) {
		t.Error("the secret stands in the sealed text")
	}
	again := open(t, path, k) // a restart
	if got, err := again.Open(sealed, "connections/con_1/secret"); err != nil || string(got) != secret {
		t.Errorf("opened %q, %v", got, err)
	}
	if _, err := again.Open(sealed, "connections/con_2/secret"); err == nil {
		t.Error("a secret moved to another row opens")
	}
	flipped := []byte(sealed)
	flipped[len(flipped)/2] ^= 1
	if _, err := again.Open(string(flipped), "connections/con_1/secret"); err == nil {
		t.Error("an altered secret opens")
	}
	if _, err := again.Open("", "x"); err == nil {
		t.Error("nothing opens")
	}
}

func TestKeyFile(t *testing.T) {
	t.Parallel()
	path, k := filepath.Join(t.TempDir(), "margay.key"), keys{}
	open(t, path, k)

	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v", info.Mode(), err)
	}

	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("beside the key file: %v, %v", entries, err)
	}

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.Open(t.Context(), "file://"+path, k); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("without its key file: %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a new key was made over secrets that it cannot open")
	}

	open(t, path, keys{}) // another database's key
	if _, err := seal.Open(t.Context(), "file://"+path, k); err == nil || !strings.Contains(err.Error(), "another database") {
		t.Errorf("with another key: %v", err)
	}
	if _, err := seal.Open(t.Context(), "base64key://not-a-key-but-a-secret", k); err == nil || strings.Contains(err.Error(), "not-a-key") {
		t.Errorf("the error shows the key: %v", err)
	}
}

func TestAuditKeyStays(t *testing.T) {
	t.Parallel()
	path, k := filepath.Join(t.TempDir(), "margay.key"), keys{}

	a, err := open(t, path, k).AuditKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b, err := open(t, path, k).AuditKey(t.Context())

	if err != nil || len(a) != 32 || !bytes.Equal(a, b) {
		t.Errorf("audit keys of %d and %d bytes, %v", len(a), len(b), err)
	}
	if bytes.Contains(k["audit"], a) {
		t.Error("the audit key is kept in clear")
	}
}
