package store

import (
	"context"
	"sync"
	"time"

	"github.com/uptrace/bun"
)

// groupMost bounds how many changes one transaction takes along, and groupTime
// how long one may take.
const (
	groupMost = 64
	groupTime = time.Minute
)

// group joins small changes of many callers into one transaction: each waits
// until its own is committed, and all of a transaction pay for one commit. Who
// comes while none is under way carries out what has gathered, until nothing is
// left; the others wait.
type group struct {
	mu      sync.Mutex
	waiting []*member
	busy    bool
}

// member is one change that waits. do may be run more than once.
type member struct {
	do   func(ctx context.Context, tx bun.IDB) error
	done chan error
}

// grouped runs do in a transaction that may be shared, and returns when that is
// committed. An error of do undoes do alone. do sees no other change of its
// transaction fail, and must not depend on the writers' turn.
func (db *DB) grouped(ctx context.Context, do func(ctx context.Context, tx bun.IDB) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m := &member{do: do, done: make(chan error, 1)}
	g := &db.group
	g.mu.Lock()
	g.waiting = append(g.waiting, m)
	if g.busy {
		g.mu.Unlock()
		return <-m.done
	}
	g.busy = true
	g.mu.Unlock()
	db.lead(context.WithoutCancel(ctx), m)
	return <-m.done
}

// lead carries out what waits: first on the caller's goroutine, until mine is
// done, then on another.
func (db *DB) lead(ctx context.Context, mine *member) {
	g := &db.group
	for {
		g.mu.Lock()
		n := min(len(g.waiting), groupMost)
		all := g.waiting[:n:n]
		g.waiting = g.waiting[n:]
		if n == 0 {
			g.busy = false
			g.mu.Unlock()
			return
		}
		g.mu.Unlock()
		db.together(ctx, all)
		if len(mine.done) > 0 {
			go db.lead(ctx, &member{})
			return
		}
	}
}

// together commits all at once, or, when one of them fails, each by itself.
func (db *DB) together(ctx context.Context, all []*member) {
	ctx, cancel := context.WithTimeout(ctx, groupTime)
	defer cancel()
	if len(all) > 1 {
		if err := db.once(ctx, all...); err == nil {
			for _, m := range all {
				m.done <- nil
			}
			return
		}
	}
	for _, m := range all {
		var err error
		for try := 1; ; try++ {
			if err = db.once(ctx, m); err == nil || !runAgain(err) || try == maxTries {
				break
			}
		}
		m.done <- err
	}
}

func (db *DB) once(ctx context.Context, all ...*member) error {
	t, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return wrap("begin", err)
	}
	for _, m := range all {
		if err := m.do(ctx, t); err != nil {
			_ = t.Rollback() // err says what went wrong; the connection is reset either way
			return err
		}
	}
	if err := t.Commit(); err != nil {
		return wrap("commit", err)
	}
	db.commits.Add(uint64(len(all)))
	return nil
}
