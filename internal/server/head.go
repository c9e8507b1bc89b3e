package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/store"
)

// headEvery is how often the end of the audit log is written outside the
// database.
const headEvery = time.Hour

// headFile is the audit log together with its end as a file outside the database
// has it. Without a path it is the log alone.
type headFile struct {
	*store.DB
	path string
	now  func() time.Time
	log  *slog.Logger
}

// keep writes the head at once, each hour, and when ctx ends.
func (f headFile) keep(ctx context.Context) {
	if f.path == "" {
		return
	}
	ticker := time.NewTicker(headEvery)
	defer ticker.Stop()
	last := context.WithoutCancel(ctx)
	for {
		if err := f.write(last); err != nil {
			f.log.ErrorContext(ctx, "the end of the audit log was not written outside the database", "file", f.path, "error", err)
		}
		select {
		case <-ctx.Done():
			if err := f.write(last); err != nil {
				f.log.ErrorContext(ctx, "the end of the audit log was not written outside the database", "file", f.path, "error", err)
			}
			return
		case <-ticker.C:
		}
	}
}

// write replaces the file with the present head, unless the database does not
// hold what the file says: it stays as the proof of that.
func (f headFile) write(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	before, err := f.read()
	if err != nil {
		return err
	}
	if before != nil {
		if err := f.CheckHead(ctx, *before); err != nil {
			return err
		}
	}
	head, err := f.SignedHead(ctx, f.now())
	if err != nil {
		return err
	}
	text, err := json.Marshal(head)
	if err != nil {
		return fmt.Errorf("write the head: %w", err)
	}
	return replaceFile(f.path, append(text, '\n'))
}

// read returns the head in the file, or nil when there is none yet.
func (f headFile) read() (*audit.SignedHead, error) {
	text, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the kept end of the audit log: %w", err)
	}
	var h audit.SignedHead
	if json.Unmarshal(text, &h) != nil {
		return nil, &audit.BrokenError{Reason: "the file that keeps its end outside the database holds no head"}
	}
	return &h, nil
}

// VerifyEvents walks the whole log, and compares it with the file.
func (f headFile) VerifyEvents(ctx context.Context) (audit.Head, error) {
	head, err := f.DB.VerifyEvents(ctx)
	if err != nil || f.path == "" {
		return head, err
	}
	kept, err := f.read()
	if err != nil || kept == nil {
		return head, err
	}
	return head, f.CheckHead(ctx, *kept)
}

// replaceFile writes a file whole or not at all.
func replaceFile(path string, text []byte) error {
	part, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = part.Write(text)
	if err = errors.Join(err, part.Sync(), part.Close()); err == nil {
		err = os.Rename(part.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(part.Name()))
	}
	return nil
}
