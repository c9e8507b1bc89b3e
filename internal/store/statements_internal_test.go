package store

import (
	"context"
	"sync"

	"github.com/uptrace/bun"
)

// Statements counts what a database is asked outside of transactions, from now.
type Statements struct {
	mu   sync.Mutex
	text []string
}

// Watch counts the statements of db.
func Watch(db *DB) *Statements {
	s := &Statements{}
	db.read = db.read.WithQueryHook(s)
	return s
}

// BeforeQuery implements [bun.QueryHook].
func (s *Statements) BeforeQuery(ctx context.Context, _ *bun.QueryEvent) context.Context { return ctx }

// AfterQuery implements [bun.QueryHook].
func (s *Statements) AfterQuery(_ context.Context, e *bun.QueryEvent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = append(s.text, e.Query)
}

// Take returns the statements since it was asked last.
func (s *Statements) Take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := s.text
	s.text = nil
	return text
}
