package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newConnectionRetire(s *session) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use: "retire CONNECTION", Short: "Put a connection out of use for good and remove its secret",
		Long: "Put a connection out of use for good: its sealed secret is removed and nothing is sent\n" +
			"over it. What was given through it can still be read. It is refused while apps are\n" +
			"bound to it or access through it is live. A new token and \"connection resume\" bring it\n" +
			"back. On a terminal its name is asked for.",
		Example: "margay connection retire acme\nmargay connection retire acme --confirm \"Tableau – acme\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.connection(cmd.Context(), first(args))
			if err != nil {
				return err
			}
			fmt.Fprintf(s.err, "%s  %s  %s\n", c.ID, visible(c.DisplayName), visible(c.Settings["server_url"]))
			if name == "" {
				if err := s.confirmName(cmd.Context(), "Remove the secret of this connection and retire it?", c.DisplayName); err != nil {
					return err
				}
				name = c.DisplayName
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			if c, err = api.RetireConnection(cmd.Context(), c.ID, name); err != nil {
				return err
			}
			return told(s, c, s.connectionView(), "Retired", c.DisplayName)
		},
	}
	cmd.Flags().StringVar(&name, "confirm", "", "the connection's name, instead of being asked for it")
	return cmd
}
