package cli

import (
	"context"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/margay-access/margay/internal/api/wire"
)

func newGroup(s *session) *cobra.Command {
	return group("group", "Groups of people: who approves, owns, or may ask",
		[]string{"margay group add Finance --member ana@acme.example,ben@acme.example"},
		newGroupList(s), newGroupShow(s), newGroupAdd(s), newGroupEdit(s), newGroupImport(s))
}

func (s *session) groups(ctx context.Context) ([]wire.Group, error) {
	if s.known.groups != nil {
		return s.known.groups, nil
	}
	api, err := s.client()
	if err != nil {
		return nil, err
	}
	page, err := api.Groups(ctx)
	s.known.groups = page.Items
	return page.Items, err
}

// group returns the group that is meant by a name or an id.
func (s *session) group(ctx context.Context, ref string) (wire.Group, error) {
	all, err := s.groups(ctx)
	if err != nil {
		return wire.Group{}, err
	}
	return find("group", "margay group list", ref, all, func(g wire.Group) string { return g.ID }, func(g wire.Group) []string { return []string{g.Name} })
}

func (s *session) groupIDs(ctx context.Context, refs []string) ([]string, error) {
	ids := make([]string, 0, len(refs))
	for _, ref := range refs {
		g, err := s.group(ctx, ref)
		if err != nil {
			return nil, err
		}
		ids = append(ids, g.ID)
	}
	return ids, nil
}

func (s *session) groupName(ctx context.Context, id string) string {
	if g, err := s.group(ctx, id); err == nil {
		return g.Name
	}
	return id
}

func (s *session) groupNames(ctx context.Context, ids []string) string {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = s.groupName(ctx, id)
	}
	return strings.Join(names, ", ")
}

func (s *session) groupView(ctx context.Context) view[wire.Group] {
	return view[wire.Group]{
		none: "There is no group yet. Make one with: margay group add NAME",
		id:   func(g wire.Group) string { return g.ID },
		columns: []column[wire.Group]{
			{name: "Id", keep: true, cell: func(g wire.Group) cell { return text(g.ID) }},
			{name: "Name", cell: func(g wire.Group) cell { return text(g.Name) }},
			{name: "Members", cell: func(g wire.Group) cell { return text(strconv.Itoa(len(g.MemberIDs))) }},
			{name: "Description", cell: func(g wire.Group) cell { return text(g.Description) }},
		},
		details: func(g wire.Group) []detail {
			return []detail{
				{"Id", text(g.ID)},
				{"Name", text(g.Name)},
				{"Description", text(g.Description)},
				{"Members", text(s.personNames(ctx, g.MemberIDs))},
				{"Created", s.exact(g.CreatedAt)},
			}
		},
	}
}

func newGroupList(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the groups",
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := s.groups(cmd.Context())
			if err != nil {
				return err
			}
			return list(s, wire.List[wire.Group]{Items: all}, s.groupView(cmd.Context()))
		},
	}
}

func newGroupShow(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "show GROUP", Short: "Show one group and its members, by name or id",
		RunE: func(cmd *cobra.Command, args []string) error {
			g, err := s.group(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return show(s, g, s.groupView(cmd.Context()))
		},
	}
}

func newGroupAdd(s *session) *cobra.Command {
	var in wire.NewGroup
	var members []string
	cmd := &cobra.Command{
		Use: "add NAME", Short: "Make a group",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			in.Name = args[0]
			if in.MemberIDs, err = s.personIDs(cmd.Context(), cleaned(members)); err != nil {
				return err
			}
			g, err := api.AddGroup(cmd.Context(), in)
			if err != nil {
				return err
			}
			return told(s, g, s.groupView(cmd.Context()), "Made", g.Name, memberCount(g))
		},
	}
	cmd.Flags().StringVar(&in.Description, "description", "", "what it is for")
	cmd.Flags().StringSliceVar(&members, "member", nil, "who is in it, by e-mail address; may be repeated")
	return cmd
}

// memberCount says how many members a group has.
func memberCount(g wire.Group) string {
	if len(g.MemberIDs) == 1 {
		return "1 member"
	}
	return strconv.Itoa(len(g.MemberIDs)) + " members"
}

func newGroupEdit(s *session) *cobra.Command {
	var name, description string
	var add, remove []string
	cmd := &cobra.Command{
		Use: "edit GROUP", Short: "Change a group",
		Example: "margay group edit Finance --add ana@acme.example --remove ben@acme.example",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needChange(cmd); err != nil {
				return err
			}
			g, err := s.group(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			change := wire.ChangedGroup{Name: given(cmd, "name", name), Description: given(cmd, "description", description)}
			if change.AddIDs, err = s.personIDs(cmd.Context(), cleaned(add)); err != nil {
				return err
			}
			if change.RemoveIDs, err = s.personIDs(cmd.Context(), cleaned(remove)); err != nil {
				return err
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			if g, err = api.ChangeGroup(cmd.Context(), g.ID, change); err != nil {
				return err
			}
			return told(s, g, s.groupView(cmd.Context()), "Changed", g.Name, memberCount(g))
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "another name")
	cmd.Flags().StringVar(&description, "description", "", "what it is for")
	cmd.Flags().StringSliceVar(&add, "add", nil, "these become members, by e-mail address; may be repeated")
	cmd.Flags().StringSliceVar(&remove, "remove", nil, "these are members no more; may be repeated")
	return cmd
}

func newGroupImport(s *session) *cobra.Command {
	var in wire.Import
	var dryRun bool
	cmd := &cobra.Command{
		Use: "import FILE", Short: "Add groups and members by a CSV file",
		Long: "Add groups and members by a CSV file (- is standard input) with the columns group, member\n" +
			"(an e-mail address; empty: a group without members) and description. A bad line is named,\n" +
			"and then nothing is done.",
		Example: "margay group import groups.csv --dry-run\nmargay group import groups.csv --replace",
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.importFile(cmd, args[0], in, dryRun, func(ctx context.Context, in wire.Import) (wire.Imported, error) {
				api, err := s.client()
				if err != nil {
					return wire.Imported{}, err
				}
				return api.ImportGroups(ctx, in, dryRun)
			})
		},
	}
	cmd.Flags().BoolVar(&in.Replace, "replace", false, "a group that the file names has the members that it names, and no others")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "say what it would do, and change nothing")
	return cmd
}

func newPersonImport(s *session) *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use: "import FILE", Short: "Add and change people by a CSV file",
		Long: "Add and change people by a CSV file (- is standard input) with the columns email, name,\n" +
			"manager (an e-mail address) and groups (names between semicolons). Only email is needed; an\n" +
			"empty cell leaves what is there, and whoever the file does not name stays as they are. A\n" +
			"bad line is named, and then nothing is done.",
		Example: "margay person import people.csv --dry-run",
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.importFile(cmd, args[0], wire.Import{}, dryRun, func(ctx context.Context, in wire.Import) (wire.Imported, error) {
				api, err := s.client()
				if err != nil {
					return wire.Imported{}, err
				}
				return api.ImportPeople(ctx, in, dryRun)
			})
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "say what it would do, and change nothing")
	return cmd
}

// importFile sends a file and shows what came of it.
func (s *session) importFile(cmd *cobra.Command, name string, in wire.Import, dryRun bool, send func(context.Context, wire.Import) (wire.Imported, error)) error {
	var b []byte
	var err error
	if name == "-" {
		b, err = io.ReadAll(cmd.InOrStdin())
	} else {
		b, err = os.ReadFile(name) //nolint:gosec // the caller names the file
	}
	if err != nil {
		return usage("Give a CSV file, or - for standard input.", "%s cannot be read: %v.", name, err)
	}
	in.CSV = string(b)
	done, err := send(cmd.Context(), in)
	if err != nil {
		return err
	}
	what := "Imported"
	if dryRun {
		what = "Would import"
	}
	s.tell(markDone, what, strconv.Itoa(done.Added)+" added", strconv.Itoa(done.Changed)+" changed", strconv.Itoa(done.Unchanged)+" as they were")
	if s.format == formatTable {
		return list(s, wire.List[wire.ImportedLine]{Items: done.Lines}, importedView())
	}
	return show(s, done, view[wire.Imported]{id: func(wire.Imported) string { return strconv.Itoa(done.Added + done.Changed) }})
}

func importedView() view[wire.ImportedLine] {
	return view[wire.ImportedLine]{
		none: "The file changes nothing.",
		id:   func(l wire.ImportedLine) string { return l.What },
		columns: []column[wire.ImportedLine]{
			{name: "Line", keep: true, cell: func(l wire.ImportedLine) cell { return text(strconv.Itoa(l.Line)) }},
			{name: "What", keep: true, cell: func(l wire.ImportedLine) cell { return text(l.What) }},
			{name: "Act", cell: func(l wire.ImportedLine) cell { return text(l.Act) }},
			{name: "Changes", cell: func(l wire.ImportedLine) cell { return text(strings.Join(l.Changes, "; ")) }},
		},
	}
}

func newPersonDisable(s *session) *cobra.Command {
	var in wire.Disabling
	var dryRun bool
	cmd := &cobra.Command{
		Use: "disable PERSON", Short: "Disable somebody, and say what becomes of what they have",
		Long: "Disable somebody: they cannot sign in, ask or decide any more, their tokens are without\n" +
			"effect, and what they asked for and waits is withdrawn, as is access that was to begin later.\n" +
			"Access that they hold stays until its time, unless --end-access ends it now.",
		Example: "margay person disable ben@acme.example --dry-run\nmargay person disable ben@acme.example --end-access",
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := s.person(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			if !dryRun {
				if err := s.confirm(cmd.Context(), "Disable "+p.Name+" ("+p.Email+")?"); err != nil {
					return err
				}
			}
			d, err := api.DisablePerson(cmd.Context(), p.ID, in, dryRun)
			if err != nil {
				return err
			}
			s.tell(markDone, "Disabled", p.ID, d.Sentence)
			if s.format == formatTable {
				return nil
			}
			return show(s, d, view[wire.Disabled]{id: func(d wire.Disabled) string { return d.Person.ID }})
		},
	}
	cmd.Flags().BoolVar(&in.EndAccess, "end-access", false, "end all access that they hold")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "say what it would do, and change nothing")
	return cmd
}
