package cli

import (
	"github.com/spf13/cobra"

	"github.com/margay-access/margay/internal/api/wire"
)

func newPerson(s *session) *cobra.Command {
	return group("person", "People in the directory", []string{"margay person add ana@acme.example --name \"Ana Ruiz\""},
		newPersonList(s), newPersonShow(s), newPersonAdd(s), newPersonEdit(s), newPersonImport(s), newPersonDisable(s),
		newPersonSignIn(s), newPersonPassword(s))
}

func newPersonList(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the people",
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			page, err := api.People(cmd.Context())
			if err != nil {
				return err
			}
			return list(s, page, s.personView())
		},
	}
}

func newPersonShow(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "show PERSON", Short: "Show one person, by e-mail address, name or id",
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := s.person(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return show(s, p, s.personView())
		},
	}
}

func newPersonAdd(s *session) *cobra.Command {
	var in wire.NewPerson
	var manager string
	cmd := &cobra.Command{
		Use: "add EMAIL", Short: "Add somebody to the directory",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			in.Email = args[0]
			if in.ManagerID, err = s.personID(cmd.Context(), manager); err != nil {
				return err
			}
			p, err := api.AddPerson(cmd.Context(), in)
			if err != nil {
				return err
			}
			return told(s, p, s.personView(), "Added", p.Email, p.Name)
		},
	}
	cmd.Flags().StringVar(&in.Name, "name", "", "the name that others see (default: the e-mail address)")
	cmd.Flags().BoolVar(&in.Admin, "admin", false, "may manage everything")
	cmd.Flags().StringVar(&manager, "manager", "", "who they report to, by e-mail address")
	return cmd
}

func newPersonEdit(s *session) *cobra.Command {
	var name, manager string
	var admin, disabled bool
	cmd := &cobra.Command{
		Use: "edit PERSON", Short: "Change somebody",
		Example: "margay person edit ana@acme.example --disabled\n" +
			"margay person edit ana@acme.example --admin=false",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needChange(cmd); err != nil {
				return err
			}
			p, err := s.person(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			boss, err := s.personID(cmd.Context(), manager)
			if err != nil {
				return err
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			p, err = api.ChangePerson(cmd.Context(), p.ID, wire.ChangedPerson{
				Name: given(cmd, "name", name), Admin: given(cmd, "admin", admin), Disabled: given(cmd, "disabled", disabled),
				ManagerID: given(cmd, "manager", boss),
			})
			if err != nil {
				return err
			}
			return told(s, p, s.personView(), "Changed", p.Email)
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "the name that others see")
	cmd.Flags().BoolVar(&admin, "admin", false, "may manage everything")
	cmd.Flags().BoolVar(&disabled, "disabled", false, "cannot sign in, ask or decide")
	cmd.Flags().StringVar(&manager, "manager", "", "who they report to, by e-mail address; empty: nobody")
	return cmd
}

// personView shows people.
func (s *session) personView() view[wire.Person] {
	return view[wire.Person]{
		none: "Nobody is in the directory.",
		id:   func(p wire.Person) string { return p.ID },
		columns: []column[wire.Person]{
			{name: "Id", keep: true, cell: func(p wire.Person) cell { return text(p.ID) }},
			{name: "E-mail", cell: func(p wire.Person) cell { return text(p.Email) }},
			{name: "Name", cell: func(p wire.Person) cell { return text(p.Name) }},
			{name: "Administrator", cell: func(p wire.Person) cell { return yesCell(p.Admin) }},
			{name: "Disabled", cell: func(p wire.Person) cell { return yesCell(p.Disabled) }},
			{name: "Added", cell: func(p wire.Person) cell { return s.moment(p.CreatedAt) }},
		},
	}
}
