package store

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/margay-access/margay/internal/fault"
)

// lockFile takes the lock that only one process may have on a database file. It
// ends with the process, however that ends.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // beside the operator's database
	if err != nil {
		return nil, fmt.Errorf("open the lock of the database: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder, _ := os.ReadFile(path) //nolint:gosec // for the sentence only
		return nil, errors.Join(fault.New(fault.Conflict, "Another process (%s) has the database %s open.",
			strings.TrimSpace(string(holder)), strings.TrimSuffix(path, ".lock")).WithCode("database_in_use").
			WithHint("One process at a time may use an SQLite file; stop the other one, or use PostgreSQL."), f.Close())
	}
	if err := f.Truncate(0); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if _, err := fmt.Fprintf(f, "pid %d\n", os.Getpid()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// private makes the database file, unless it is there, as one that only its owner
// reads. What SQLite puts beside it has the same mode.
func private(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the operator's database
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	return f.Close()
}
