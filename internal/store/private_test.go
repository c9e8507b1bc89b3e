package store_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/store"
)

// The rows are nobody else's to read, also where the folder is.
func TestDatabaseFileIsPrivate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, err := store.Open(t.Context(), store.Config{SQLite: filepath.Join(dir, "margay.db"), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	files, err := os.ReadDir(dir)
	if err != nil || len(files) < 3 { // with its lock and its log
		t.Fatalf("%v, %v", files, err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s is %v, %v", f.Name(), info.Mode(), err)
		}
	}
}
