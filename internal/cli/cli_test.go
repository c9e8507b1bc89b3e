package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/margay-access/margay/internal/cli"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/server"
	"github.com/margay-access/margay/tableau/tableautest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"margay": func() {
		os.Exit(cli.Main(cli.Process{Args: os.Args[1:], In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Version: "v0.0.0-test"}))
	}})
}

// patSecret is what no output may ever hold.
const patSecret = "c2VjcmV0:very-secret-token-of-the-stories"

// story is what one script has to itself: a server and a simulated Tableau.
type story struct {
	site   *tableautest.Server
	server *server.Server
	tokens []string
}

type storyKey struct{}

func TestStories(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata", Setup: open, RequireExplicitExec: true, RequireUniqueNames: true, UpdateScripts: os.Getenv("UPDATE") != "",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"cli": runCLI, "screen": runOnScreen, "interrupt": runAndInterrupt, "json": checkJSON, "take": takeJSON, "tableau": tellTableau, "replace": replace, "org": makeOrg,
		},
	})
}

// open starts a server and a simulated Tableau for one script. It has an
// administrator (the owner of MARGAY_TOKEN) and a Tableau with vera.viewer and
// others.
func open(env *testscript.Env) error {
	site, err := tableautest.Start(tableautest.Config{Collections: tableautest.On})
	if err != nil {
		return err
	}
	env.Defer(site.Close)
	tableautest.Populate(site.Site, 0)
	site.AddPAT(site.User("margay.service@acme.example"), "story", patSecret)

	data := filepath.Join(env.WorkDir, ".data")
	srv, err := server.Open(context.Background(), server.Config{
		Listen: "127.0.0.1:0", Data: data, RootCAs: site.CertPool(), AllowCIDR: "127.0.0.0/8", Version: "v0.0.0-test", Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	admin, err := srv.IssueToken(context.Background(), "admin@acme.example", []identity.Scope{identity.ScopeAdmin})
	if err != nil {
		return errors.Join(err, srv.Close(context.Background()))
	}
	ctx, stop := context.WithCancel(context.Background())
	url, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- srv.Run(ctx, func(u string) { url <- u }) }()
	env.Defer(func() {
		stop()
		if err := <-ended; err != nil {
			fmt.Fprintln(os.Stderr, "the server of a story ended badly:", err)
		}
	})
	select {
	case u := <-url:
		env.Setenv("MARGAY_URL", u)
	case err := <-ended:
		ended <- err
		return fmt.Errorf("the server did not start: %w", err)
	}
	ca := filepath.Join(env.WorkDir, ".ca.pem")
	if err := os.WriteFile(ca, site.CAPEM(), 0o600); err != nil {
		return err
	}
	for name, value := range map[string]string{
		"GORACE":       "atexit_sleep_ms=0", // the race detector waits for a second at each of the many ends
		"MARGAY_TOKEN": admin, "TABLEAU": site.Host, "PAT_SECRET": patSecret, "DATA": data, "CA": ca, "HOME": env.WorkDir, "TZ": "UTC", "TERM": "xterm",
		"EVIL":            "red\x1b[31m alert",
		"XDG_CONFIG_HOME": filepath.Join(env.WorkDir, ".config"), "FREE": freeAddress(), "FREE2": freeAddress(), "NOWHERE": freeAddress(),
	} {
		env.Setenv(name, value)
	}
	env.Values[storyKey{}] = &story{site: site, server: srv, tokens: []string{admin}}
	return nil
}

// freeAddress returns an address that nobody listens on now.
func freeAddress() string {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "127.0.0.1:1"
	}
	defer l.Close()
	return l.Addr().String()
}

// makeOrg is "org": a connection, the app tableau with its five roles, the
// policies open (no approval) and asked (Ana decides), and the people ana, vera
// and newman, who has never signed in to Tableau. ANA, VERA and NEWMAN are their
// tokens, ADMIN the administrator's.
func makeOrg(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Check(os.WriteFile(ts.MkAbs(".pat"), []byte(patSecret), 0o600))
	for _, line := range []string{
		"connection add --server-url " + ts.Getenv("TABLEAU") + " --site-content-url acme-analytics --pat-name story --secret-file .pat",
		"person add ana@acme.example --name Ana",
		"person add vera.viewer@acme.example --name Vera",
		"person add newman@acme.example --name Newman",
		"policy add open --longest 30d --usual 8h",
		"policy add asked --longest 30d --usual 8h --reason-needed --approver ana@acme.example",
		"app add tableau --policy open",
		"role add tableau --all",
	} {
		ts.Check(ts.Exec("margay", strings.Fields(line)...))
	}
	s := storyOf(ts)
	ts.Setenv("ADMIN", ts.Getenv("MARGAY_TOKEN"))
	for name, email := range map[string]string{"ANA": "ana@acme.example", "VERA": "vera.viewer@acme.example", "NEWMAN": "newman@acme.example"} {
		token, err := s.server.IssueToken(context.Background(), email, nil)
		ts.Check(err)
		ts.Setenv(name, token)
		s.tokens = append(s.tokens, token)
	}
}

func storyOf(ts *testscript.TestScript) *story { return ts.Value(storyKey{}).(*story) }

// runCLI is "cli CODE ARG...": margay ends with that code and shows no secret.
func runCLI(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: cli CODE [ARG...]")
	}
	expect(ts, args[0], ts.Exec("margay", args[1:]...))
	noSecrets(ts, args[1:])
}

func expect(ts *testscript.TestScript, code string, err error) {
	got := 0
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		got = e.ExitCode()
	} else if err != nil {
		ts.Fatalf("margay did not run: %v", err)
	}
	if strconv.Itoa(got) != code {
		ts.Fatalf("exit code %d, want %s", got, code)
	}
}

// noSecrets fails when the last output shows a secret. The token of margay admin
// token is data.
func noSecrets(ts *testscript.TestScript, args []string) {
	s := storyOf(ts)
	out, errs := ts.ReadFile("stdout"), ts.ReadFile("stderr")
	if len(args) > 1 && args[0] == "admin" && args[1] == "token" {
		s.tokens = append(s.tokens, strings.TrimSpace(out))
		return
	}
	for _, secret := range append([]string{patSecret, patSecret[:12]}, s.tokens...) {
		if secret != "" && (strings.Contains(out, secret) || strings.Contains(errs, secret)) {
			ts.Fatalf("the output shows a secret")
		}
	}
}

// runOnScreen is "screen WIDTH CODE DIALOG ARG...": margay on a terminal of that
// width. Each line "prompt => answer" of the file DIALOG (- for none) is typed
// once the prompt is there. What the screen shows, what was typed and echoed
// included, is the standard output of the command.
func runOnScreen(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: screen WIDTH CODE DIALOG [ARG...]")
	}
	columns, err := strconv.Atoi(args[0])
	ts.Check(err)
	master, slave, err := openPTY(columns)
	ts.Check(err)
	defer master.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := command(ctx, ts, args[3:])
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	ts.Check(cmd.Start())
	ts.Check(slave.Close())
	var dialog []string
	if args[2] != "-" {
		dialog = strings.Split(strings.TrimRight(ts.ReadFile(args[2]), "\n"), "\n")
	}
	shown := converse(master, dialog)
	err = cmd.Wait()
	_, _ = ts.Stdout().Write(bytes.ReplaceAll(shown, []byte("\r\n"), []byte("\n")))
	for _, secret := range append([]string{patSecret}, storyOf(ts).tokens...) {
		if bytes.Contains(shown, []byte(secret)) {
			ts.Fatalf("the screen shows a secret:\n%s", shown)
		}
	}
	expect(ts, args[1], err)
}

// converse types each answer once its prompt is shown, and returns all that was
// shown until the program closed the terminal.
func converse(terminal *os.File, dialog []string) []byte {
	var shown bytes.Buffer
	from := 0
	buf := make([]byte, 4096)
	for {
		n, err := terminal.Read(buf)
		shown.Write(buf[:n])
		if err != nil {
			return shown.Bytes() // EIO: nobody holds the other end
		}
		for len(dialog) > 0 {
			prompt, answer, _ := strings.Cut(dialog[0], " => ")
			i := bytes.Index(shown.Bytes()[from:], []byte(prompt))
			if i < 0 {
				break
			}
			from, dialog = from+i+len(prompt), dialog[1:]
			if _, err := terminal.WriteString(answer + "\n"); err != nil {
				return shown.Bytes()
			}
		}
	}
}

// command is margay with the environment of the script.
func command(ctx context.Context, ts *testscript.TestScript, args []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "margay", args...)
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"PATH", "HOME", "TZ", "TERM", "MARGAY_URL", "MARGAY_TOKEN", "XDG_CONFIG_HOME", "NO_COLOR", "CLICOLOR_FORCE", "GORACE"} {
		if value := ts.Getenv(name); value != "" {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	return cmd
}

// runAndInterrupt is "interrupt CODE PATTERN ARG...": margay gets SIGINT once
// its output holds the pattern. Its output is the command's.
func runAndInterrupt(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: interrupt CODE PATTERN ARG...")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := command(ctx, ts, args[2:])
	seen := &watcher{pattern: regexp.MustCompile(args[1]), found: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = seen, seen
	ts.Check(cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var err error
	select {
	case <-seen.found:
		ts.Check(cmd.Process.Signal(syscall.SIGINT))
		err = <-ended
	case err = <-ended:
		ts.Fatalf("it ended before it said %s: %v\n%s", args[1], err, seen.text.String())
	}
	_, _ = ts.Stdout().Write(seen.text.Bytes())
	expect(ts, args[0], err)
}

// watcher collects output and says when it holds a pattern.
type watcher struct {
	text    bytes.Buffer
	pattern *regexp.Regexp
	found   chan struct{}
	done    bool
}

// Write implements io.Writer. os/exec writes from one goroutine, since standard
// output and standard error are the same writer.
func (w *watcher) Write(p []byte) (int, error) {
	w.text.Write(p)
	if !w.done && w.pattern.Match(w.text.Bytes()) {
		w.done = true
		close(w.found)
	}
	return len(p), nil
}

// checkJSON is "json PATH WANT": the JSON on standard output has that value
// there; as text, "" for null or nothing, the number for the length of a list.
func checkJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: json PATH WANT")
	}
	got := lookup(ts, args[0])
	if (got == args[1]) == neg {
		ts.Fatalf("%s is %q, want %q (negated: %v)", args[0], got, args[1], neg)
	}
}

// takeJSON is "take NAME PATH": the variable gets a value of the JSON on
// standard output.
func takeJSON(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: take NAME PATH")
	}
	value := lookup(ts, args[1])
	if value == "" {
		ts.Fatalf("there is nothing at %s", args[1])
	}
	ts.Setenv(args[0], value)
}

func lookup(ts *testscript.TestScript, path string) string {
	var v any
	if err := json.Unmarshal([]byte(ts.ReadFile("stdout")), &v); err != nil {
		ts.Fatalf("standard output is no JSON: %v", err)
	}
	for name := range strings.SplitSeq(path, ".") {
		switch at := v.(type) {
		case map[string]any:
			v = at[name]
		case []any:
			i, err := strconv.Atoi(name)
			switch {
			case name == "len":
				v = float64(len(at))
			case err != nil || i >= len(at):
				return ""
			default:
				v = at[i]
			}
		default:
			return ""
		}
	}
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	text, err := json.Marshal(v)
	ts.Check(err)
	return string(text)
}

// tellTableau is "tableau fail METHOD PATH STATUS CODE", "tableau hang METHOD
// PATH", "tableau mend", "tableau pat NAME SECRET", "tableau set USER ROLE" or "tableau role USER WANT".
func tellTableau(ts *testscript.TestScript, neg bool, args []string) {
	site := storyOf(ts).site
	switch {
	case len(args) == 5 && args[0] == "fail":
		status, err := strconv.Atoi(args[3])
		ts.Check(err)
		site.Fail(tableautest.Fault{
			Method: args[1], Path: args[2], Status: status, Code: args[4], Times: -1,
			Summary: "Refused", Detail: "Tableau says \x1b[31mno\x1b[0m",
		})
	case len(args) == 3 && args[0] == "hang":
		site.Fail(tableautest.Fault{Method: args[1], Path: args[2], Hang: true, Times: -1})
	case len(args) == 1 && args[0] == "mend":
		site.ClearFaults()
	case len(args) == 3 && args[0] == "pat": // another token of the service account
		site.AddPAT(site.User("margay.service@acme.example"), args[1], args[2])
		storyOf(ts).tokens = append(storyOf(ts).tokens, args[2])
	case len(args) == 3 && args[0] == "set":
		site.User(args[1]).SetRole(args[2])
	case len(args) == 3 && args[0] == "role":
		if got := site.User(args[1]).Role(); (got == args[2]) == neg {
			ts.Fatalf("%s is %s in Tableau, want %s", args[1], got, args[2])
		}
	default:
		ts.Fatalf("usage: tableau fail|hang|mend|role …")
	}
}

// replace is "replace FILE": the variables in it get their values.
func replace(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		text := os.Expand(ts.ReadFile(name), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o600))
	}
}
