package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/margay-access/margay/internal/api/wire"
)

func newPersonSignIn(s *session) *cobra.Command {
	return group("sign-in", "Let people sign in to the web UI", []string{"margay person sign-in link ana@acme.example"},
		newSignInShow(s), newSignInLink(s), newSignInVoid(s))
}

func (s *session) signInView() view[wire.SignIn] {
	return view[wire.SignIn]{
		id: func(v wire.SignIn) string { return v.PersonID },
		columns: []column[wire.SignIn]{
			{name: "Person", keep: true, cell: func(v wire.SignIn) cell { return text(v.PersonID) }},
			{name: "Password set", cell: func(v wire.SignIn) cell { return s.maybeMoment(v.PasswordSetAt) }},
			{name: "Link ends", cell: func(v wire.SignIn) cell {
				if v.Link == nil {
					return text("")
				}
				return s.moment(v.Link.ExpiresAt)
			}},
		},
	}
}

func newSignInShow(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "show PERSON", Short: "Show whether somebody has a password, and a link that is not used yet",
		Example: "margay person sign-in show ana@acme.example",
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := s.person(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			how, err := s.api.SignIn(cmd.Context(), p.ID)
			if err != nil {
				return err
			}
			return show(s, how, s.signInView())
		},
	}
}

func newSignInLink(s *session) *cobra.Command {
	own := ""
	cmd := &cobra.Command{
		Use: "link PERSON", SuggestFor: []string{"invite", "create", "new", "add"}, Short: "Print a link with which somebody sets a password, this once",
		Long: "Print a link with which somebody sets a password that nobody else knows, this once. It works\n" +
			"once and for 24 hours, and a newer one takes its place. Give it to them in a way that reaches\n" +
			"nobody else: whoever opens it first can sign in as them. What they sign in with now works until\n" +
			"the link is used. It asks for your own password for the web UI, or reads --own-password-file (\"-\" is\n" +
			"standard input): a token alone lets nobody in.",
		Example: "margay person sign-in link ana@acme.example\n" +
			"margay person sign-in link ana@acme.example --own-password-file ./mine.txt",
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := s.person(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			password, err := s.passwordFrom(cmd, own, "own-password-file", "Your own password: ")
			if err != nil {
				return err
			}
			made, err := s.api.MakeSignInLink(cmd.Context(), p.ID, wire.OwnPassword{OwnPassword: password})
			if err != nil {
				return err
			}
			switch s.format {
			case formatJSON, formatJSONL, formatYAML:
				return s.encode(made)
			case formatID:
				_, err := fmt.Fprintln(s.out, made.Link.ID)
				return err
			case formatTable, formatCSV:
			}
			s.note("This link is not shown again. It works once, until %s.", s.clock(made.Link.ExpiresAt))
			_, err = fmt.Fprintln(s.out, made.URL)
			return err
		},
	}
	cmd.Flags().StringVar(&own, "own-password-file", "", "read your own password from this file; - is standard input")
	return cmd
}

func newSignInVoid(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "void PERSON", Short: "End somebody's link before it is used",
		Example: "margay person sign-in void ana@acme.example",
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := s.person(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if err := s.api.VoidSignInLink(cmd.Context(), p.ID); err != nil {
				return err
			}
			s.tell(markDone, "Voided", p.ID, p.Email)
			return nil
		},
	}
}

func newPersonPassword(s *session) *cobra.Command {
	var present, file string
	cmd := &cobra.Command{
		Use: "password", Short: "Change your own password for the web UI",
		Long: "Change your own password for the web UI. It asks for the present one and twice for the new one,\n" +
			"without showing them, or reads files (\"-\" is standard input). Your sessions in browsers end.\n" +
			"Who has no password yet, or lost it, asks an administrator for a link to set one.",
		Example: "margay person password\n" +
			"margay person password --present-file ./old.txt --password-file ./new.txt",
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			var in wire.NewPassword
			if in.Present, err = s.passwordFrom(cmd, present, "present-file", "Present password: "); err != nil {
				return err
			}
			if in.Password, err = s.newPassword(cmd, file); err != nil {
				return err
			}
			if err := api.ChangePassword(cmd.Context(), in); err != nil {
				return err
			}
			s.tell(markDone, "Changed", "your password; your sessions in browsers have ended")
			return nil
		},
	}
	cmd.Flags().StringVar(&present, "present-file", "", "read the present password from this file; - is standard input")
	cmd.Flags().StringVar(&file, "password-file", "", "read the new password from this file; - is standard input")
	return cmd
}

// passwordFrom reads a password that is set from the file of the flag, or asks for
// it.
func (s *session) passwordFrom(cmd *cobra.Command, file, flag, question string) (string, error) {
	if file != "" {
		text, err := s.readInput(file)
		return strings.TrimRight(text, "\r\n"), err
	}
	if !s.canAsk() {
		return "", usage("Give --"+flag+" FILE; - is standard input.", "Nobody is there to type the password.")
	}
	return s.askSecret(cmd.Context(), question)
}
