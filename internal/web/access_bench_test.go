package web_test

import (
	"database/sql"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/server"
	"github.com/margay-access/margay/internal/web/webtest"
)

// How much the lists of pages are measured with.
const (
	manyPeople = 1_000
	manyRows   = 10_000
)

// Every list page with 10,000 grants and requests and 1,000 people, over HTTP:
// p95-ms is what a page takes at the 95th percentile; the promise is under 100.
func BenchmarkLists(b *testing.B) {
	data := ""
	w := webtest.StartNode(b, func(c *server.Config) { data = c.Data })
	w.Story()
	many(b, filepath.Join(data, "margay.db"))
	v := w.VisitorAs(webtest.Admin)
	for _, path := range []string{
		"/", "/catalogue", "/my-access", "/requests", "/requests?whose=all", "/approvals", "/access", "/access?q=person+9", "/access?ends=720h&role=Viewer", "/people", "/groups",
		"/apps", "/policies", "/tasks", "/audit",
	} {
		b.Run(strings.ReplaceAll(strings.TrimPrefix(path, "/"), "/", "_"), func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				began := time.Now()
				if p := v.Get(path); p.Status != http.StatusOK {
					b.Fatalf("%s: %d", path, p.Status)
				}
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
		})
	}
}

// many writes people, requests and grants beside the node, which no rule makes:
// to file them one by one would take longer than to measure them.
func many(b *testing.B, file string) {
	b.Helper()
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(10000)")
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	for _, m := range []struct {
		table  string
		rows   int
		values map[string]string // by column; i counts
	}{
		{"people", manyPeople, map[string]string{"id": "'usr_9' || i", "email": "'p' || i || '@acme.example'", "email_key": "'p' || i || '@acme.example'", "name": "'Person ' || i"}},
		{"requests", manyRows, map[string]string{"id": "'req_0' || (100000 + i)", "person_id": "'usr_9' || (i % 1000 + 1)"}},
		{"grants", manyRows, map[string]string{"id": "'grt_0' || (100000 + i)", "person_id": "'usr_9' || (i % 1000 + 1)"}},
	} {
		columns := columnsOf(b, db, m.table)
		values := slices.Clone(columns)
		for i, name := range columns {
			if v, ok := m.values[name]; ok {
				values[i] = v
			}
		}
		statement := "INSERT INTO " + m.table + " (" + strings.Join(columns, ", ") + ") WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT " +
			strings.Join(values, ", ") + " FROM n, (SELECT * FROM " + m.table + " ORDER BY id LIMIT 1) AS first"
		if _, err := db.ExecContext(b.Context(), statement, m.rows); err != nil {
			b.Fatalf("%s: %v", m.table, err)
		}
	}
}

func columnsOf(b *testing.B, db *sql.DB, table string) []string {
	b.Helper()
	rows, err := db.QueryContext(b.Context(), "SELECT name FROM pragma_table_info(?)", table)
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()
	var columns []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			b.Fatal(err)
		}
		columns = append(columns, name)
	}
	if err := rows.Err(); err != nil {
		b.Fatal(err)
	}
	return columns
}
