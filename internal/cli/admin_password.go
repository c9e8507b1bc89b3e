package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/margay-access/margay/internal/server"
)

func newAdminPassword(s *session) *cobra.Command {
	var email, file string
	cmd := &cobra.Command{
		Use: "password", Short: "Set somebody's password for the web UI",
		Long: "Set the password of the person of --email for the web UI, or of the first administrator,\n" +
			"who is made when there is none. Their sessions end. It works beside a running server.\n" +
			"The password is asked for without showing it, or read from --password-file (\"-\" is standard input).",
		Example: "margay admin password --data ./margay-data --email ana@acme.example\n" +
			"margay admin password --email ana@acme.example --password-file ./ana.txt",
		RunE: func(cmd *cobra.Command, _ []string) error {
			password, err := s.newPassword(cmd, file)
			if err != nil {
				return err
			}
			whose, err := server.Password(cmd.Context(), s.serverConfig(), email, password)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(s.err, "%s can sign in with the new password. Sessions from before have ended.\n", whose)
			return err
		},
	}
	f := cmd.Flags()
	addDataFlags(f)
	f.StringVar(&email, "email", "", "whose password it is (default: the first administrator's)")
	f.StringVar(&file, "password-file", "", "read the password from this file; - is standard input")
	return cmd
}

// newPassword reads a password from the file, or asks for it twice.
func (s *session) newPassword(cmd *cobra.Command, file string) (string, error) {
	if file != "" {
		text, err := s.readInput(file)
		return strings.TrimRight(text, "\r\n"), err
	}
	if !s.canAsk() {
		return "", usage("Give --password-file FILE; - is standard input.", "Nobody is there to type the password.")
	}
	password, err := s.askSecret(cmd.Context(), "New password: ")
	if err != nil {
		return "", err
	}
	again, err := s.askSecret(cmd.Context(), "New password again: ")
	if err != nil {
		return "", err
	}
	if again != password {
		return "", usage("Try again.", "The two passwords differ.")
	}
	return password, nil
}
