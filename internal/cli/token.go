package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/margay-access/margay/internal/api/wire"
)

func newToken(s *session) *cobra.Command {
	return group("token", "API tokens", []string{"margay token create nightly-export --scope access:read --for 30d"},
		newTokenList(s), newTokenCreate(s), newTokenRevoke(s))
}

func (s *session) tokenView() view[wire.Token] {
	return view[wire.Token]{
		none: "There is no token.",
		id:   func(t wire.Token) string { return t.ID },
		columns: []column[wire.Token]{
			{name: "Id", keep: true, cell: func(t wire.Token) cell { return text(t.ID) }},
			{name: "Name", cell: func(t wire.Token) cell { return text(t.Name) }},
			{name: "Owner", keep: true, cell: func(t wire.Token) cell { return text(t.PersonID) }},
			{name: "Scopes", cell: func(t wire.Token) cell { return text(strings.Join(t.Scopes, " ")) }},
			{name: "Valid", cell: func(t wire.Token) cell { return yesCell(t.Valid) }},
			{name: "Expires", cell: func(t wire.Token) cell { return s.maybeMoment(t.ExpiresAt) }},
			{name: "Revoked", cell: func(t wire.Token) cell { return s.maybeMoment(t.RevokedAt) }},
			{name: "Created", cell: func(t wire.Token) cell { return s.moment(t.CreatedAt) }},
		},
	}
}

func newTokenList(s *session) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: "list", Short: "List your tokens",
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			page, err := api.Tokens(cmd.Context(), all)
			if err != nil {
				return err
			}
			return list(s, page, s.tokenView())
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "everybody's; for administrators")
	return cmd
}

func newTokenCreate(s *session) *cobra.Command {
	var scopes []string
	var life span
	cmd := &cobra.Command{
		Use: "create NAME", SuggestFor: []string{"add", "new", "make"}, Short: "Make a token for yourself and print it, this once",
		Long: "Make a token for yourself and print it, this once. It can do no more than the token that\n" +
			"you use, lives for 90 days, or as --for says, and does not outlive the one that you use.",
		RunE: func(cmd *cobra.Command, args []string) error {
			wanted, err := scopesOf(scopes)
			if err != nil {
				return err
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			in := wire.NewToken{Name: args[0], Scopes: []string{}, ExpiresIn: wire.Duration(life.length)}
			for _, scope := range wanted {
				in.Scopes = append(in.Scopes, string(scope))
			}
			t, err := api.CreateToken(cmd.Context(), in)
			if err != nil {
				return err
			}
			s.tell(markDone, "Made", t.Token.ID, t.Token.Name)
			switch s.format {
			case formatJSON, formatJSONL, formatYAML:
				return s.encode(t)
			case formatID:
				_, err := fmt.Fprintln(s.out, t.Token.ID)
				return err
			case formatTable, formatCSV:
			}
			s.note("This token is not shown again.")
			_, err = fmt.Fprintln(s.out, t.Value)
			return err
		},
	}
	cmd.Flags().StringSliceVar(&scopes, "scope", nil, "what it may be used for: "+scopeNames())
	cmd.Flags().Var(&life, "for", "how long it lives: 30d, 12h; a year at most")
	return cmd
}

func newTokenRevoke(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "revoke TOKEN", Short: "End a token at once, by its id",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			t, err := api.RevokeToken(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return told(s, t, s.tokenView(), "Revoked", t.Name)
		},
	}
}
