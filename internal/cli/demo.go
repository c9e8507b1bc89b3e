package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/margay-access/margay/internal/client"
	"github.com/margay-access/margay/internal/server"
	"github.com/margay-access/margay/tableau/tableautest"
)

// demoOptions are the flags of `margay demo`.
type demoOptions struct {
	listen, tableau, data string
	exit                  bool
}

func newDemo(s *session) *cobra.Command {
	var o demoOptions
	c := &cobra.Command{
		Use:   "demo",
		Short: "Run everything at once: a simulated Tableau, the server, and one request carried through",
		Long: "Starts a simulated Tableau over HTTPS and a server with an embedded database, makes people\n" +
			"and an app, and carries a request through approval to a site role and back. Each step is\n" +
			"held against the simulated site's own journal. Then it keeps serving until Ctrl-C.",
		Example: "margay demo\nmargay demo --exit",
		RunE:    func(cmd *cobra.Command, _ []string) error { return s.demo(cmd.Context(), o) },
	}
	c.Flags().StringVar(&o.listen, "listen", "127.0.0.1:8080", "where the server listens; any free port when this one is taken")
	c.Flags().StringVar(&o.tableau, "tableau-listen", "127.0.0.1:0", "where the simulated Tableau listens")
	c.Flags().StringVar(&o.data, "data", "", "data folder (default: a temporary one, removed at the end)")
	c.Flags().BoolVar(&o.exit, "exit", false, "stop after the story; the exit code is 0 only if every step was confirmed")
	return c
}

// demo starts the two servers, tells the story, and serves on.
func (s *session) demo(ctx context.Context, o demoOptions) (err error) {
	data, remove, err := demoData(o.data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	//nolint:contextcheck // the simulated site ends by Close
	site, err := tableautest.Start(tableautest.Config{Listen: o.tableau, Collections: tableautest.On, Control: true})
	if err != nil {
		return fmt.Errorf("start the simulated Tableau: %w", err)
	}
	defer site.Close()
	ca := filepath.Join(data, "tableau-ca.pem")
	if err := os.WriteFile(ca, site.CAPEM(), 0o600); err != nil {
		return fmt.Errorf("keep the simulated Tableau's certificate: %w", err)
	}
	logs, err := os.OpenFile(filepath.Join(data, "margay.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600) //nolint:gosec // in the demo's folder
	if err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	defer logs.Close()
	srv, err := server.Open(ctx, server.Config{
		Listen: freeListen(ctx, o.listen), Data: data, CAFile: ca, AllowCIDR: "127.0.0.0/8, ::1/128", Version: s.version,
		Log: slog.New(slog.NewTextHandler(logs, nil)),
	})
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- srv.Run(serving, func(url string) { ready <- url }) }()
	select {
	case url := <-ready:
		err = s.tellStory(ctx, o, data, url, site, srv)
	case err := <-ended:
		return err
	}
	stop()
	return errors.Join(err, <-ended)
}

// tellStory tells the story and, unless it is to exit, serves until ctx ends.
func (s *session) tellStory(ctx context.Context, o demoOptions, data, url string, site *tableautest.Server, srv *server.Server) error {
	d := &demo{s: s, site: site, srv: srv, url: url}
	failed := d.run(ctx)
	if failed != nil {
		d.line(bad, "✗", "%s", "The story did not end as it should: "+failed.Error())
		d.line(dim, " ", "The server's log: %s", filepath.Join(data, "margay.log"))
		if data != o.data {
			d.printLog(filepath.Join(data, "margay.log"))
		}
	}
	if o.exit || failed != nil || ctx.Err() != nil {
		if failed != nil {
			return &outcomeError{code: exitFailed, message: "the demo did not confirm every step"}
		}
		return nil
	}
	d.signIns(data)
	<-ctx.Done()
	d.line(dim, " ", "Stopping.")
	return nil
}

func demoData(data string) (folder string, remove func() error, err error) {
	if data != "" {
		return data, func() error { return nil }, os.MkdirAll(data, 0o700)
	}
	folder, err = os.MkdirTemp("", "margay-demo-")
	return folder, func() error { return os.RemoveAll(folder) }, err
}

// freeListen returns listen, or any port of its host when somebody has that one.
func freeListen(ctx context.Context, listen string) string {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listen)
	if err == nil {
		_ = l.Close()
		return listen
	}
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	return net.JoinHostPort(host, "0")
}

// demo is one telling of the story.
type demo struct {
	s    *session
	site *tableautest.Server
	srv  *server.Server
	url  string

	admin, approver, requester *client.Client
	tokens                     [][2]string // who, token
	connection                 string
	roles                      map[string]string
}

// step does one thing and shows it with its proof. While it is under way, a
// screen shows its name; a pipe gets the finished line alone.
func (d *demo) step(ctx context.Context, name string, do func(ctx context.Context) (proof string, err error)) error {
	if d.s.term.shows {
		fmt.Fprintf(d.s.out, "  %s %s", d.s.term.paint(dim, "…"), name)
	}
	started := d.s.now()
	proof, err := do(ctx)
	if d.s.term.shows {
		fmt.Fprint(d.s.out, "\r\x1b[K")
	}
	if err != nil {
		d.line(bad, "✗", "%-17s %s", name, visible(err.Error()))
		return fmt.Errorf("%s: %w", name, err)
	}
	took := d.s.now().Sub(started).Round(time.Millisecond)
	d.line(good, "✓", "%-17s %s %s", name, visible(proof), d.s.term.paint(dim, "("+took.String()+")"))
	return nil
}

func (d *demo) line(c tint, mark, format string, args ...any) {
	fmt.Fprintf(d.s.out, "  %s %s\n", d.s.term.paint(c, mark), fmt.Sprintf(format, args...))
}

func (d *demo) heading(text string) { fmt.Fprintf(d.s.out, "\n%s\n", text) }

// signIns prints where to go on from here.
func (d *demo) signIns(data string) {
	out := d.s.out
	d.heading("Serving until Ctrl-C")
	fmt.Fprintf(out, "  Web UI     %s\n", d.url)
	fmt.Fprintf(out, "             sign in as %s, %s or %s; the password is %s\n", demoAdmin, demoApprover, demoRequester, demoPassword)
	fmt.Fprintf(out, "  API        %s/api/openapi.json\n", d.url)
	fmt.Fprintf(out, "  Tableau    %s (simulated; its certificate authority: %s)\n", d.site.URL, filepath.Join(data, "tableau-ca.pem"))
	fmt.Fprintf(out, "  Journal    %s/_sim/journal\n", d.site.URL)
	fmt.Fprintln(out, "\n  Tokens, made for this demo and gone with it:")
	for _, t := range d.tokens {
		fmt.Fprintf(out, "    %-28s %s\n", t[0], t[1])
	}
	fmt.Fprintf(out, "\n  Try it:\n    export MARGAY_URL=%s MARGAY_TOKEN=%s\n", d.url, d.tokens[0][1])
	fmt.Fprintln(out, "    margay access list\n    margay run list\n    margay tableau call GET /sites/{siteId}/users")
}

// printLog shows what the server said, for a folder that is about to go.
func (d *demo) printLog(path string) {
	text, err := os.ReadFile(path) //nolint:gosec // the demo's own log
	if err != nil {
		return
	}
	for line := range strings.Lines(string(text)) {
		fmt.Fprint(d.s.err, "    "+visible(strings.TrimRight(line, "\n"))+"\n")
	}
}
