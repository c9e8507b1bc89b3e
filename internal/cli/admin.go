package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/server"
)

func newAdmin(s *session) *cobra.Command {
	return group("admin", "Do what needs the data folder, not a token", []string{"margay admin token --data ./margay-data"}, newAdminToken(s), newAdminPassword(s))
}

func newAdminToken(s *session) *cobra.Command {
	var email string
	var scopes []string
	cmd := &cobra.Command{
		Use: "token", Short: "Print a new API token",
		Long: "Print a new API token and nothing else. It is for the person of --email, or for the\n" +
			"first administrator, who is made when there is none. It works beside a running server.",
		Example: "export MARGAY_TOKEN=$(margay admin token --data ./margay-data)\n" +
			"margay admin token --email ana@acme.example --scope access:read --scope requests:write",
		RunE: func(cmd *cobra.Command, _ []string) error {
			wanted, err := scopesOf(scopes)
			if err != nil {
				return err
			}
			cfg := s.serverConfig()
			isNew := server.IsNew(cfg)
			token, err := server.Token(cmd.Context(), cfg, email, wanted)
			if err != nil {
				return err
			}
			if isNew { // a mistyped folder must not pass for the one that was meant
				fmt.Fprintln(s.err, visible("Made a new database in "+cfg.Data+": there was none."))
			}
			_, err = fmt.Fprintln(s.out, token)
			return err
		},
	}
	f := cmd.Flags()
	addDataFlags(f)
	f.StringVar(&email, "email", "", "whose token it is (default: the first administrator's)")
	f.StringSliceVar(&scopes, "scope", nil, "what it may be used for (default: what its owner needs): "+scopeNames())
	return cmd
}

func scopesOf(names []string) ([]identity.Scope, error) {
	scopes := make([]identity.Scope, 0, len(names))
	for _, name := range names {
		if !slices.Contains(identity.Scopes(), identity.Scope(name)) {
			return nil, usage("The scopes are: "+scopeNames(), "There is no scope %q.", name)
		}
		scopes = append(scopes, identity.Scope(name))
	}
	return scopes, nil
}

func scopeNames() string {
	var names []string
	for _, s := range identity.Scopes() {
		names = append(names, string(s))
	}
	return strings.Join(names, ", ")
}
