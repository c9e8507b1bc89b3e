package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

// The help of every command is a page that people read: a change of it is seen
// in a review. UPDATE=1 go test ./internal/cli -run TestHelp writes it anew.
func TestHelp(t *testing.T) {
	var all bytes.Buffer
	s := newSession(Process{Version: "v0.0.0-test"})
	s.out = &all
	visit(newRoot(s), func(c *cobra.Command) {
		all.WriteString("$ " + c.CommandPath() + " --help\n")
		c.InitDefaultHelpFlag()
		if err := c.Help(); err != nil {
			t.Fatal(err)
		}
		all.WriteString("\n")
	})

	golden := filepath.Join("testdata", "help.golden")
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(golden, all.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), all.String()); diff != "" {
		t.Errorf("help is not as written (-want +got):\n%s", diff)
	}
}

// visit calls see with c and all commands below it, but not with cobra's own.
func visit(c *cobra.Command, see func(*cobra.Command)) {
	if c.Name() == "completion" || c.Name() == "help" {
		return
	}
	see(c)
	for _, child := range c.Commands() {
		visit(child, see)
	}
}

// Each command of runs and workflows shows how it is called.
func TestExamplesOfRunsAndWorkflows(t *testing.T) {
	t.Parallel()
	visit(newRoot(newSession(Process{Version: "v0.0.0-test"})), func(c *cobra.Command) {
		path := c.CommandPath()
		if c.HasSubCommands() || !strings.HasPrefix(path, "margay run ") && !strings.HasPrefix(path, "margay workflow ") {
			return
		}
		for line := range strings.Lines(c.Example + "\n") {
			if !strings.HasPrefix(line, path) {
				t.Errorf("%s has the example %q", path, line)
			}
		}
	})
}

// Nouns first, and the same verbs everywhere.
func TestVerbs(t *testing.T) {
	verbs := []string{
		"list", "show", "new", "add", "edit", "delete", "watch", "check", "call", "methods", "install", "approve", "deny", "withdraw", "revoke",
		"calls", "pause", "resume", "retire", // of connections
		"start", "stop", // of batches
		"extend", "reduce", "done", "fail", "method", // of access and tasks
		"import", "disable", "sign-in", "comment", "history", "diff", // of people, groups, requests and policies
		"retry", "verify", "token", "users", "collections", "search", "usage", "server-info", "session", // of tableau, after what it has
		"accept", "drift", // of what was changed in Tableau
		"test", "deliveries", "replay", "rotate", "mail", "mail-test", "tail", "export", "create", "password", "pause", "resume", "calls", // of webhooks, mail, the audit log, tokens and passwords
		"assign", "set", "diff", "publish", "discard", "versions", "restore", "update", "duplicate", "archive", "unarchive", "pull", "push", "types", "run", "cancel", // of workflows and runs
	}
	s := newSession(Process{})
	for _, noun := range newRoot(s).Commands() {
		for _, c := range noun.Commands() {
			if noun.Name() != "completion" && !slices.Contains(verbs, c.Name()) {
				t.Errorf("%s is a new verb", c.CommandPath())
			}
		}
	}
}

// Each command says what it does, and no flag takes a secret or a token.
func TestCommandsAreDescribed(t *testing.T) {
	secret := regexp.MustCompile(`secret$|token$|password$`)
	visit(newRoot(newSession(Process{})), func(c *cobra.Command) {
		if c.Short == "" {
			t.Errorf("%s says nothing of itself", c.CommandPath())
		}
		for name := range strings.FieldsSeq(c.Flags().FlagUsages()) {
			if strings.HasPrefix(name, "--") && secret.MatchString(name) {
				t.Errorf("%s has the flag %s", c.CommandPath(), name)
			}
		}
	})
}

// Each exit code is reached in a story.
func TestExitCodesAreReached(t *testing.T) {
	names, err := filepath.Glob(filepath.Join("testdata", "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	reached := map[int]bool{}
	line := regexp.MustCompile(`(?m)^(?:cli|interrupt|screen \d+) (\d+)\b`)
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range line.FindAllSubmatch(text, -1) {
			code, err := strconv.Atoi(string(m[1]))
			if err != nil {
				t.Fatal(err)
			}
			reached[code] = true
		}
	}
	for code, meaning := range exitMeanings() {
		if !reached[code] {
			t.Errorf("no story ends with exit code %d: %s", code, meaning)
		}
	}
	for code := range reached {
		if exitMeanings()[code] == "" {
			t.Errorf("a story ends with exit code %d, which means nothing", code)
		}
	}
}

// Help begins with an example: every command that does something has one of
// itself, and each example is one that the commands take.
func TestCommandsHaveExamples(t *testing.T) {
	have := map[string]bool{}
	visit(newRoot(newSession(Process{})), func(c *cobra.Command) {
		have[c.CommandPath()] = true
		others := strings.HasPrefix(c.CommandPath(), "margay run ") || strings.HasPrefix(c.CommandPath(), "margay workflow ")
		if c.HasParent() && !c.HasSubCommands() && !isTopic(c) && !others && !strings.Contains(c.Example, c.CommandPath()) {
			t.Errorf("%s has no example of itself", c.CommandPath())
		}
		for _, line := range exampleLines(c.Example) {
			if err := taken(line); err != nil {
				t.Errorf("the help of %s: %q: %v", c.CommandPath(), line, err)
			}
		}
	})
	for path := range examples {
		if !have[path] {
			t.Errorf("there is no command %s", path)
		}
	}
}

// margayLine finds a command of ours within a line of a shell.
var margayLine = regexp.MustCompile(`\bmargay( (?:"[^"]*"|'[^']*'|[^|;&<>()"'\n])*)`)

func exampleLines(text string) []string {
	var out []string
	for _, m := range margayLine.FindAllStringSubmatch(text, -1) {
		out = append(out, strings.TrimSpace(m[1]))
	}
	return out
}

var shellWords = regexp.MustCompile(`(?:"[^"]*"|'[^']*'|[^\s"'])+`)

// taken parses a line as its command would, and runs nothing.
func taken(line string) error {
	var words []string
	for _, w := range shellWords.FindAllString(line, -1) {
		words = append(words, strings.NewReplacer(`"`, "", "'", "").Replace(w))
	}
	c, rest, err := newRoot(newSession(Process{})).Find(words)
	if err != nil {
		return err
	}
	if err := c.ParseFlags(rest); err != nil {
		return err
	}
	return c.ValidateArgs(c.Flags().Args())
}
