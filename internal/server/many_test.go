package server_test

import (
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/server"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
	"github.com/margay-access/margay/tableau/tableautest"
)

// privileges are the roles, the strongest first.
var privileges = []string{"SiteAdministratorExplorer", "Creator", "ExplorerCanPublish", "Explorer", "Viewer"}

// G6, O19: grants that end at one moment all end within a minute of it, each at
// Tableau, and the most privileged first. The benchmark does it with 1,000.
func TestManyEndAtOnce(t *testing.T) {
	t.Parallel()
	newCrowd(t, store.Config{SQLite: "in the data folder"}).end(t, 40)
}

// BenchmarkThousandEnd is how long it takes until the last of 1,000 grants that
// end at one moment has ended, and how many a second that are.
func BenchmarkThousandEnd(b *testing.B) {
	for name, cfg := range map[string]func() store.Config{
		"sqlite":   func() store.Config { return store.Config{SQLite: "in the data folder"} },
		"postgres": func() store.Config { return store.Config{Postgres: storetest.Postgres(b)} },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				c := newCrowd(b, cfg())
				b.StartTimer()
				last := c.end(b, 1000)
				b.ReportMetric(last.Seconds(), "last-s")
				b.ReportMetric(1000/last.Seconds(), "ends/s")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// crowd is many people with access that ends at one moment.
type crowd struct {
	*setup
	db    *sql.DB
	pg    bool
	ahead atomic.Int64
}

func newCrowd(t testing.TB, cfg store.Config) *crowd {
	t.Helper()
	c := &crowd{pg: cfg.Postgres != ""}
	s, data := newSite(t, tableautest.Config{}), t.TempDir()
	c.setup = setUp(startNode(t, cfg, data, s.CertPool(), func(c2 *server.Config) {
		c2.Now = func() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }
	}), s)
	driver, address := "sqlite", "file:"+filepath.Join(data, "margay.db")+"?_pragma=busy_timeout(10000)&_txlock=immediate"
	if c.pg {
		driver, address = "pgx", cfg.Postgres
	}
	var err error
	if c.db, err = sql.Open(driver, address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.db.Close() })
	return c
}

// end gives n people access, of all roles by turns, lets all of it end at
// one moment, and returns how long after that the last has ended.
func (c *crowd) end(t testing.TB, n int) time.Duration {
	t.Helper()
	ritas := c.site.AddUser("rita@acme.example", "Viewer")
	first := c.grantIn(c.request(c.rita.ID, "Viewer", true).GrantID, "active")
	users := c.multiply(t, first, ritas.ID(), n)
	puts := len(c.updates())

	c.ahead.Store(int64(time.Until(*first.EndsAt)))
	began := time.Now()
	for c.count(t, "ended") < n+1 {
		if time.Since(began) > time.Minute { // G6
			t.Fatalf("a minute later %d of %d have ended", c.count(t, "ended"), n+1)
		}
		<-time.After(50 * time.Millisecond)
	}
	took := time.Since(began)

	for _, u := range users {
		if u.Role() != "Unlicensed" {
			t.Errorf("%s is %s", u.Name(), u.Role())
		}
	}
	if got := len(c.updates()) - puts; got != n+1 {
		t.Errorf("%d updates of users for %d ends", got, n+1)
	}
	c.inOrder(t)
	return took
}

func (c *crowd) count(t testing.TB, state string) (n int) {
	t.Helper()
	if err := c.db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM grants WHERE state = '"+state+"'").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// updates are the users whose role was set at Tableau, in that order.
func (c *crowd) updates() []string {
	var paths []string
	for _, e := range c.site.Journal() {
		if e.Method == http.MethodPut && strings.Contains(e.Path, "/users/") && e.Applied {
			paths = append(paths, e.Path)
		}
	}
	return paths
}

// inOrder: the runs were made for the most privileged first, and they were
// carried out so, as far as many go side by side.
func (c *crowd) inOrder(t testing.TB) {
	t.Helper()
	rows, err := c.db.QueryContext(t.Context(), `SELECT g.role_name, r.started_ms FROM runs r JOIN grants g ON g.id = r.grant_id WHERE r.kind = 'deprovision' ORDER BY r.id`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var made []int
	latest := map[int]int64{} // by privilege, when its last run began
	earliest := map[int]int64{}
	for rows.Next() {
		var role string
		var started int64
		if err := rows.Scan(&role, &started); err != nil {
			t.Fatal(err)
		}
		p := slices.Index(privileges, role)
		made = append(made, p)
		latest[p] = max(latest[p], started)
		if e, ok := earliest[p]; !ok || started < e {
			earliest[p] = started
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if !slices.IsSorted(made) {
		t.Errorf("runs were made for privileges in the order %v", made)
	}
	const sideBySide = 64 // jobs at a time on one node: of few, all begin at once
	if last := len(privileges) - 1; len(made) > len(privileges)*sideBySide && earliest[last] < latest[0] {
		t.Errorf("the weakest began at %d, before the last of the strongest at %d", earliest[last], latest[0])
	}
}

// multiply gives n people what one has, in roles by turns, which no rule makes:
// to ask for each would take longer than to end them.
func (c *crowd) multiply(t testing.TB, like wire.Grant, luid string, n int) []*tableautest.User {
	t.Helper()
	tx, err := c.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	person := c.row(t, tx, "people", like.PersonID)
	request := c.row(t, tx, "requests", like.RequestID)
	grant := c.row(t, tx, "grants", like.ID)
	var users []*tableautest.User
	for i := range n {
		role, email := privileges[(i*2)%len(privileges)], fmt.Sprintf("many%05d@acme.example", i)
		u := c.site.AddUser(email, role)
		users = append(users, u)
		id := func(prefix string) string { return fmt.Sprintf("%s_9%031d", prefix, i) }
		c.insert(t, tx, "people", person, map[string]any{"id": id("usr"), "email": email, "email_key": email, "name": email})
		c.insert(t, tx, "requests", request, map[string]any{"id": id("req"), "person_id": id("usr"), "role_id": c.roles[role], "role_name": role, "grant_id": id("grt")})
		c.insert(t, tx, "grants", grant, map[string]any{
			"id": id("grt"), "request_id": id("req"), "person_id": id("usr"), "role_id": c.roles[role], "role_name": role, "run_id": id("run"),
			"proof": strings.ReplaceAll(fmt.Sprint(grant["proof"]), luid, u.ID()), "set_up": strings.ReplaceAll(fmt.Sprint(grant["set_up"]), luid, u.ID()),
		})
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	return users
}

// row reads one row by its columns.
func (c *crowd) row(t testing.TB, tx *sql.Tx, table, id string) map[string]any {
	t.Helper()
	rows, err := tx.QueryContext(t.Context(), "SELECT * FROM "+table+" WHERE id = '"+id+"'")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil || !rows.Next() {
		t.Fatalf("there is no %s in %s: %v", id, table, err)
	}
	values, into := make([]any, len(names)), make([]any, len(names))
	for i := range values {
		into[i] = &values[i]
	}
	if err := errors.Join(rows.Scan(into...), rows.Err()); err != nil {
		t.Fatal(err)
	}
	out := map[string]any{}
	for i, name := range names {
		out[name] = values[i]
	}
	return out
}

func (c *crowd) insert(t testing.TB, tx *sql.Tx, table string, like, change map[string]any) {
	t.Helper()
	var names, places []string
	var values []any
	for name, v := range like {
		if other, ok := change[name]; ok {
			v = other
		}
		names, values = append(names, name), append(values, v)
		place := "?"
		if c.pg {
			place = fmt.Sprintf("$%d", len(values))
		}
		places = append(places, place)
	}
	if _, err := tx.ExecContext(t.Context(), "INSERT INTO "+table+" ("+strings.Join(names, ", ")+") VALUES ("+strings.Join(places, ", ")+")", values...); err != nil {
		t.Fatal(err)
	}
}
