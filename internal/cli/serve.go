package cli

import (
	"io"
	"log/slog"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/margay-access/margay/internal/server"
)

func newServe(s *session) *cobra.Command {
	cmd := &cobra.Command{
		Use: "serve", Short: "Run the server",
		Long: "Run the server until it is told to stop (SIGTERM, SIGINT); what is under way then\n" +
			"finishes first. Logs go to standard error: text on a screen, else JSON.",
		Example: "margay serve --data ./margay-data\n" +
			"margay serve --database postgres://margay@db/margay --tls-cert cert.pem --tls-key key.pem",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if (s.set.TLSCert == "") != (s.set.TLSKey == "") {
				return usage("margay serve --help", "--tls-cert and --tls-key go together.")
			}
			log := s.serverLog()
			cfg := s.serverConfig()
			cfg.Log = log
			srv, err := server.Open(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			err = srv.Run(cmd.Context(), func(url string) {
				log.InfoContext(cmd.Context(), "serving", "url", url, "data", cfg.Data, "version", s.version)
			})
			if err == nil {
				log.InfoContext(cmd.Context(), "stopped")
			}
			return err
		},
	}
	f := cmd.Flags()
	f.String("listen", defaultListen, "where to serve (MARGAY_LISTEN)")
	addDataFlags(f)
	f.String("external-url", "", "where people reach this server: links begin so (MARGAY_EXTERNAL_URL)")
	f.String("webhook-allow-cidr", "", "private ranges that webhooks may go to (MARGAY_WEBHOOK_ALLOW_CIDR)")
	f.String("audit-head", "", "write the signed end of the audit log to this file each hour (MARGAY_AUDIT_HEAD)")
	f.String("trusted-proxies", "", "ranges of the proxies whose X-Forwarded-For is believed (MARGAY_TRUSTED_PROXIES)")
	f.String("tls-cert", "", "serve https with this certificate (PEM)")
	f.String("tls-key", "", "and this key (PEM)")
	f.String("tableau-ca-file", "", "certificate authorities to trust for Tableau, beside the system's (PEM; MARGAY_TABLEAU_CA_FILE)")
	f.String("tableau-allow-cidr", "", "private ranges that Tableau may live in, such as 10.20.0.0/16 (MARGAY_TABLEAU_ALLOW_CIDR)")
	return cmd
}

// addDataFlags adds the flags that say where the data is.
func addDataFlags(f *pflag.FlagSet) {
	f.String("data", defaultData, "folder of the database, the key and the socket (MARGAY_DATA)")
	f.String("database", "", "PostgreSQL instead: postgres://user@host/margay (MARGAY_DATABASE)")
	f.String("key-url", "", "what wraps the keys of secrets; default: a file in the data folder (MARGAY_KEY_URL)")
}

func (s *session) serverConfig() server.Config {
	return server.Config{
		Listen: s.set.Listen, Data: s.set.Data, Database: s.set.Database, KeyURL: s.set.KeyURL, TLSCert: s.set.TLSCert, TLSKey: s.set.TLSKey,
		CAFile: s.set.CAFile, AllowCIDR: s.set.AllowCIDR, Notices: s.set.Notices, AuditHead: s.set.AuditHead, Proxies: s.set.Proxies, Version: s.version,
	}
}

// serverLog returns the log of a server: for people on a screen, else for
// programs.
func (s *session) serverLog() *slog.Logger {
	opts := &slog.HandlerOptions{Level: slog.LevelInfo}
	if s.global.debug {
		opts.Level = slog.LevelDebug
	}
	if isScreen(s.err) {
		return slog.New(slog.NewTextHandler(s.err, opts))
	}
	return slog.New(slog.NewJSONHandler(s.err, opts))
}

// isScreen says whether w is a terminal.
func isScreen(w io.Writer) bool {
	f, ok := w.(descriptor)
	return ok && isTerminal(f)
}
