package sqlitefile

import (
	"context"
	"database/sql/driver"
	"errors"
)

// mostStatements is how many compiled statements a connection keeps.
const mostStatements = 200

// statements keeps the compiled statements of a connection, by their text:
// SQLite takes longer to compile most statements than to run them. Only texts
// with arguments are kept; one that holds its values is hardly ever the same
// again.
type statements struct {
	kept map[string]*statement
}

type statement struct {
	driver.Stmt

	busy bool // its rows are being read
}

// take returns the statement of the text, compiling it when it is not kept, or nil
// when it is being read already: it can be read once at a time.
func (s *statements) take(ctx context.Context, on driver.ConnPrepareContext, query string) (*statement, error) {
	if st := s.kept[query]; st != nil {
		if st.busy {
			return nil, nil
		}
		return st, nil
	}
	inner, err := on.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	st := &statement{Stmt: inner}
	if s.kept == nil {
		s.kept = map[string]*statement{}
	}
	if len(s.kept) >= mostStatements {
		if err := s.drop(); err != nil {
			return nil, errors.Join(err, inner.Close())
		}
	}
	s.kept[query] = st
	return st, nil
}

// drop closes the statements that are not being read.
func (s *statements) drop() error {
	var errs []error
	for query, st := range s.kept {
		if !st.busy {
			errs = append(errs, st.Close())
			delete(s.kept, query)
		}
	}
	return errors.Join(errs...)
}

func (s *statements) exec(ctx context.Context, on fullConn, query string, args []driver.NamedValue) (driver.Result, error) {
	if len(args) == 0 {
		return on.ExecContext(ctx, query, args)
	}
	st, err := s.take(ctx, on, query)
	if err != nil {
		return nil, err
	}
	if st == nil {
		return on.ExecContext(ctx, query, args)
	}
	exec, ok := st.Stmt.(driver.StmtExecContext)
	if !ok {
		return on.ExecContext(ctx, query, args)
	}
	return exec.ExecContext(ctx, args)
}

func (s *statements) query(ctx context.Context, on fullConn, query string, args []driver.NamedValue) (driver.Rows, error) {
	if len(args) == 0 {
		return on.QueryContext(ctx, query, args)
	}
	st, err := s.take(ctx, on, query)
	if err != nil {
		return nil, err
	}
	if st == nil {
		return on.QueryContext(ctx, query, args)
	}
	read, ok := st.Stmt.(driver.StmtQueryContext)
	if !ok {
		return on.QueryContext(ctx, query, args)
	}
	found, err := read.QueryContext(ctx, args)
	if err != nil {
		return nil, err
	}
	st.busy = true
	return &rows{Rows: found, of: st}, nil
}

// rows gives its statement back when it has been read.
type rows struct {
	driver.Rows

	of *statement
}

// Close implements [driver.Rows].
func (r *rows) Close() error {
	err := r.Rows.Close()
	r.of.busy = false
	return err
}
