package engine_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/margay-access/margay/internal/engine"
)

// childEnv makes the test program a node of its own, which a test can kill.
const childEnv = "ENGINE_TEST_CHILD"

// orders is what a child is told.
type orders struct {
	Place place
	Node  string
	Lease time.Duration
	Kill  string // "in:b" kills the process in step b, after its effect; "after:b" when its result is recorded
}

func TestMain(m *testing.M) {
	if text := os.Getenv(childEnv); text != "" {
		if err := child(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// child serves jobs until its standard input ends. A job's input is the list of
// its steps. "hold X" is a step that waits for a line of standard input; "gate X"
// waits for one before the step begins. What happens is told on standard output.
func child(text string) error {
	var o orders
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	cfg := engine.Config{
		SQLite: o.Place.SQLite, Node: o.Node, Lease: o.Lease, Poll: 10 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	if o.Place.Postgres != "" {
		var err error
		if cfg.Postgres, err = pgxpool.ParseConfig(o.Place.Postgres); err != nil {
			return err
		}
	}
	ctx := context.Background()
	e, err := engine.Open(ctx, cfg)
	if err != nil {
		return err
	}
	lines := make(chan string)
	e.Handle("steps", o.steps(lines))
	if err := e.Start(ctx); err != nil {
		return err
	}
	say("started")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		lines <- in.Text()
	}
	stop, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return e.Stop(stop)
}

func say(format string, args ...any) { fmt.Printf(format+"\n", args...) }

func (o orders) steps(lines <-chan string) engine.Handler {
	return func(ctx context.Context, run *engine.Run) (json.RawMessage, error) {
		var names []string
		if err := json.Unmarshal(run.Input(), &names); err != nil {
			return nil, err
		}
		defer say("%s is over", run.ID())
		for i, name := range names {
			if strings.HasPrefix(name, "gate") {
				say("%s at %s", run.ID(), name)
				<-lines
			}
			_, err := run.Step(ctx, name, func(ctx context.Context) (json.RawMessage, error) {
				say("%s does %s, again %v", run.ID(), name, engine.MayHaveHappened(ctx))
				o.kill("in:" + name)
				if strings.HasPrefix(name, "hold") {
					<-lines
				}
				return text(i), nil
			})
			if err != nil {
				return nil, err
			}
			o.kill("after:" + name)
		}
		return text(len(names)), nil
	}
}

func (o orders) kill(at string) {
	if o.Kill == at {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // until the signal is delivered
	}
}

// process is a running child.
type process struct {
	tb    testing.TB
	cmd   *exec.Cmd
	in    io.WriteCloser
	mu    sync.Mutex
	said  []string
	news  chan struct{} // closed and renewed when something is said, or the process ends
	ended bool
}

// spawn starts a child and waits until it serves.
func spawn(tb testing.TB, o orders) *process {
	tb.Helper()
	c := &process{tb: tb, cmd: exec.Command(os.Args[0]), news: make(chan struct{})}
	c.cmd.Env = append(os.Environ(), childEnv+"="+string(text(o)))
	c.cmd.Stderr = tb.Output()
	var err error
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		tb.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for s := bufio.NewScanner(out); s.Scan(); {
			c.note(s.Text(), false)
		}
		c.cmd.Wait()
		c.note("", true)
	}()
	tb.Cleanup(func() { c.signal(syscall.SIGKILL); <-done })
	return c
}

func (c *process) note(line string, ended bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !ended {
		c.said = append(c.said, line)
	}
	c.ended = ended
	close(c.news)
	c.news = make(chan struct{})
}

// hears waits until the child has said a line that begins so.
func (c *process) hears(line string) {
	c.tb.Helper()
	c.wait("line "+line, func() bool {
		return slices.ContainsFunc(c.said, func(s string) bool { return strings.HasPrefix(s, line) })
	})
}

// dies waits until the child has ended.
func (c *process) dies() {
	c.tb.Helper()
	c.wait("end of the process", func() bool { return c.ended })
}

func (c *process) wait(what string, done func() bool) {
	c.tb.Helper()
	limit := time.After(20 * time.Second)
	for {
		c.mu.Lock()
		ok, news, said := done(), c.news, strings.Join(c.said, "\n")
		c.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-news:
		case <-limit:
			c.signal(syscall.SIGQUIT) // it shows its goroutines
			<-time.After(time.Second)
			c.tb.Fatalf("no %s after a minute; the process said:\n%s", what, said)
		}
	}
}

// does returns what the child said of the steps that it did.
func (c *process) does() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.said), func(s string) bool { return !strings.Contains(s, " does ") })
}

func (c *process) tell(line string) {
	c.tb.Helper()
	if _, err := io.WriteString(c.in, line+"\n"); err != nil {
		c.tb.Fatal(err)
	}
}

func (c *process) signal(s syscall.Signal) {
	c.cmd.Process.Signal(s) // a process that has ended takes none
}
