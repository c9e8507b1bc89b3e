package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/margay-access/margay/internal/client"
)

// Process is what the command line gets from the program it runs in.
type Process struct {
	Args    []string // without the program's name
	In      *os.File
	Out     *os.File
	Err     io.Writer
	Version string // default: what the build says
}

// Main runs the command line and returns its exit code.
func Main(p Process) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	s := newSession(p)
	root := newRoot(s)
	root.SetArgs(p.Args)
	err := unknownHelp(root, p.Args)
	if err == nil {
		err = root.ExecuteContext(ctx)
	}
	return s.finish(ctx, err)
}

// session is one run of the program: what all commands share.
type session struct {
	args    []string
	in      *os.File
	out     io.Writer
	err     io.Writer
	term    terminal
	global  globalFlags
	set     settings
	format  format
	fields  []string
	version string
	now     func() time.Time
	zone    *time.Location
	api     *client.Client
	known   directory
	later   []string // hints for when the data is written
}

// globalFlags are the flags that every command takes.
type globalFlags struct {
	output  string
	fields  []string
	noColor bool
	noInput bool
	yes     bool
	debug   bool
}

func newSession(p Process) *session {
	return &session{
		args: p.Args, in: p.In, out: p.Out, err: p.Err, term: openTerminal(p.In, p.Out), version: versionOf(p.Version), zone: time.Local,
		now: time.Now, //nolint:forbidigo // the clock of who reads "5 min ago"
	}
}

// versionOf returns the version that the linker was given, or what the build
// says of itself.
func versionOf(linked string) string {
	if linked != "" {
		return linked
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}

// newRoot returns the tree of commands.
func newRoot(s *session) *cobra.Command {
	root := &cobra.Command{
		Use:   "margay",
		Short: "Timed, approved and recorded access to Tableau",
		Long: "Margay gives people a Tableau site role for a time: they ask, the right person\n" +
			"agrees, a workflow sets the role, and the access ends by itself.",
		Example: "margay demo\n" +
			"margay serve --data ./margay-data\n" +
			"margay request new tableau/Creator --for 8h --reason \"Quarter end\" --wait",
		SilenceErrors: true, SilenceUsage: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return s.configure(cmd) },
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	s.addGlobalFlags(root)
	root.AddCommand(s.commands()...)
	root.AddCommand(topics()...)
	root.SetOut(s.out)
	root.SetErr(s.err)
	dress(root)
	return root
}

// commands lists the nouns and the few verbs without one.
func (s *session) commands() []*cobra.Command {
	return []*cobra.Command{
		newDemo(s), newServe(s), newSimulate(s), newAdmin(s), newWhoami(s), newVersion(s),
		newConnection(s), newTableau(s),
		newApp(s), newRole(s), newPolicy(s), newProfile(s), newCatalogue(s), newPerson(s), newGroup(s), newWorkflow(s),
		newRequest(s), newApproval(s), newAccess(s), newTask(s), newRun(s), newBatch(s), newAudit(s),
		newWebhook(s), newNotice(s), newToken(s),
	}
}

func (s *session) addGlobalFlags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.String("url", defaultURL, "address of the server (MARGAY_URL)")
	f.StringVarP(&s.global.output, "output", "o", string(formatTable), "table, json, jsonl, yaml, csv or id")
	f.StringSliceVar(&s.global.fields, "fields", nil, "show these fields of the JSON only, such as id,state")
	f.BoolVar(&s.global.noColor, "no-color", false, "no colours")
	f.BoolVar(&s.global.noInput, "no-input", false, "ask nothing: fail where an answer is needed")
	f.BoolVar(&s.global.yes, "yes", false, "agree to what would be asked")
	f.BoolVar(&s.global.debug, "debug", false, "tell of each call of the API on standard error")
}

// configure reads the settings before a command runs.
func (s *session) configure(cmd *cobra.Command) error {
	var err error
	if s.format, err = parseFormat(s.global.output); err != nil {
		return err
	}
	s.fields = s.global.fields
	s.term.decideColor(s.global.noColor, os.Getenv)
	s.set, err = loadSettings(cmd.Flags(), os.Getenv)
	if needsNoSettings(cmd) {
		return nil
	}
	return err
}

// needsNoSettings says whether a command works whatever the configuration file
// holds.
func needsNoSettings(cmd *cobra.Command) bool {
	return cmd.Name() == "help" || cmd.Name() == "version" || cmd.HasParent() && cmd.Parent().Name() == "completion"
}

// client returns the client of the API, made when it is first asked for.
func (s *session) client() (*client.Client, error) {
	if s.api != nil {
		return s.api, nil
	}
	api, err := client.New(s.set.URL, s.set.Token)
	if err != nil {
		return nil, err
	}
	if s.set.Token == "" {
		return nil, errNoToken
	}
	if api.Plain() {
		s.warn("the token goes to %s unencrypted: use https", s.set.URL)
	}
	api.UserAgent = "margay/" + s.version
	if s.global.debug {
		api.Trace = func(e client.Exchange) {
			fmt.Fprintf(s.err, "debug: %s %s %d %d ms %s\n", e.Method, visible(e.Path), e.Status, e.Duration.Milliseconds(), visible(e.RequestID))
		}
	}
	s.api = api
	return api, nil
}

// warn tells of something that does not stop the command.
func (s *session) warn(format string, args ...any) {
	fmt.Fprintln(s.err, "warning: "+visible(fmt.Sprintf(format, args...)))
}

// note tells what may be done next.
func (s *session) note(format string, args ...any) {
	fmt.Fprintln(s.err, "hint: "+visible(fmt.Sprintf(format, args...)))
}

// group returns a noun: a command that only holds others.
func group(use, short string, example []string, verbs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Example: strings.Join(example, "\n")}
	c.AddCommand(verbs...)
	return c
}
