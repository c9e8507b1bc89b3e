package sqlitefile_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/margay-access/margay/internal/sqlitefile"
)

// A statement is compiled once a connection, also when it is being read while it is
// asked for again, when there are more of them than are kept, and when the table
// has changed meanwhile.
func TestStatementsAreKept(t *testing.T) {
	db, err := sqlitefile.Open(filepath.Join(t.TempDir(), "x.db"), sqlitefile.Write, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	exec := func(query string, args ...any) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), query, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec(`CREATE TABLE n (n INTEGER PRIMARY KEY)`)
	for i := range 3 {
		exec(`INSERT INTO n (n) VALUES ($1)`, i)
	}
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	const query = `SELECT n FROM n WHERE n >= $1 ORDER BY n`
	read := func(from int) int {
		t.Helper()
		var first int
		if err := tx.QueryRowContext(t.Context(), query, from).Scan(&first); err != nil {
			t.Fatal(err)
		}
		return first
	}
	outer, err := tx.QueryContext(t.Context(), query, 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []int
	for outer.Next() {
		var n int
		if err := outer.Scan(&n); err != nil {
			t.Fatal(err)
		}
		got = append(got, n, read(n))
	}
	if err := outer.Err(); err != nil || fmt.Sprint(got) != "[0 0 1 1 2 2]" {
		t.Errorf("read while it is read: %v, %v", got, err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	for i := range 500 {
		exec(fmt.Sprintf(`UPDATE n SET n = n WHERE n = $1 AND %d = %d`, i, i), 1)
	}
	exec(`ALTER TABLE n ADD COLUMN text TEXT NOT NULL DEFAULT 'x'`)
	exec(`INSERT INTO n (n) VALUES ($1)`, 7)
	if _, err := db.ExecContext(t.Context(), `INSERT INTO n (n) VALUES ($1)`, 7); err == nil {
		t.Error("the same row twice")
	}
	var n int
	var text string
	if err := db.QueryRowContext(t.Context(), `SELECT * FROM n WHERE n = $1`, 7).Scan(&n, &text); err != nil || n != 7 || text != "x" {
		t.Errorf("after the table has changed: %d, %q, %v", n, text, err)
	}
}
