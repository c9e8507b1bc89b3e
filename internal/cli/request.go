package cli

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/client"
)

func newRequest(s *session) *cobra.Command {
	return group("request", "Ask for access", []string{
		"margay request new tableau/Creator --for 8h --reason \"Quarter end\" --wait",
		"margay request list --state waiting_for_approval",
	}, newRequestNew(s), newRequestList(s), newRequestShow(s), newRequestWatch(s), newRequestComment(s), newRequestExtend(s), newRequestRetry(s), newRequestWithdraw(s))
}

// requestView shows requests.
func (s *session) requestView(ctx context.Context) view[wire.Request] {
	return view[wire.Request]{
		none: "There is no request to see. Ask for access with: margay request new APP/ROLE",
		id:   func(r wire.Request) string { return r.ID },
		columns: []column[wire.Request]{
			{name: "Id", keep: true, cell: func(r wire.Request) cell { return text(r.ID) }},
			{name: "State", keep: true, cell: func(r wire.Request) cell { return stateCell(r.State) }},
			{name: "Person", cell: func(r wire.Request) cell { return text(s.personName(ctx, r.PersonID)) }},
			{name: "App", cell: func(r wire.Request) cell { return text(s.appName(ctx, r.AppID)) }},
			{name: "Role", cell: func(r wire.Request) cell { return text(r.RoleName) }},
			{name: "For", cell: func(r wire.Request) cell { return length(r.Duration) }},
			{name: "Reason", cell: func(r wire.Request) cell { return text(r.Reason) }},
			{name: "Asked", cell: func(r wire.Request) cell { return s.moment(r.CreatedAt) }},
		},
		details: func(r wire.Request) []detail { return s.requestDetails(ctx, r) },
	}
}

func (s *session) requestDetails(ctx context.Context, r wire.Request) []detail {
	lines := []detail{
		{"Id", text(r.ID)},
		{"State", stateCell(r.State)},
		{"Person", text(s.personName(ctx, r.PersonID))},
		{"Asked by", text(s.personName(ctx, r.RequesterID))},
		{"App", text(s.appName(ctx, r.AppID))},
		{"Role", text(r.RoleName)},
		{"For", length(r.Duration)},
		{"More time", s.moreTime(r)},
		{"Reason", text(r.Reason)},
		{"Asked", s.exact(r.CreatedAt)},
		{"Policy", text(r.Policy.Name + ", version " + strconv.Itoa(r.Policy.Version))},
	}
	for i, step := range r.Policy.Steps {
		lines = append(lines, detail{"Step " + strconv.Itoa(i+1), text(s.stepOf(ctx, r, i, step))})
	}
	if r.State == "waiting_for_approval" {
		lines = append(lines, detail{"Can decide", text(cmp.Or(s.personNames(ctx, r.DeciderIDs), "nobody at present: tell an administrator"))},
			detail{"Lapses", s.exact(at(r.LapsesAt))})
	}
	if r.StartsAt != nil {
		lines = append(lines, detail{"Starts", s.exact(*r.StartsAt)})
	}
	for _, c := range r.Comments {
		lines = append(lines, detail{"Comment", text(s.personName(ctx, c.ByID) + ": " + c.Text)})
	}
	lines = append(lines, detail{"Decided", s.exact(at(r.DecidedAt))})
	if r.Grant == nil {
		return lines
	}
	for _, line := range s.accessFacts(*r.Grant) {
		lines = append(lines, detail{"Access: " + line.name, line.cell})
	}
	return lines
}

// stepOf says what was decided in a step, or who may.
func (s *session) stepOf(ctx context.Context, r wire.Request, i int, step wire.PolicyStep) string {
	for _, a := range r.Approvals {
		if a.Step != i+1 {
			continue
		}
		said := "denied by "
		if a.Approved {
			said = "approved by "
		}
		said += s.personName(ctx, a.ByID)
		if a.Reason != "" {
			said += ": " + a.Reason
		}
		return said
	}
	return s.step(ctx, step)
}

func newRequestNew(s *session) *cobra.Command {
	var person, reason string
	var length span
	var begin start
	var wait waiting
	cmd := &cobra.Command{
		Use: "new APP/ROLE", Short: "Ask for a role",
		Long: "Ask for a role. Without --for it is for the policy's usual time. The time runs from the\n" +
			"moment Tableau confirms the access. --start asks for it to begin later: at a day or a time\n" +
			"of your own zone, or so long from now. --wait follows the request until it is there.",
		Example: "margay request new tableau/Creator --for 8h --reason \"Quarter end\" --wait\n" +
			"margay request new tableau/Viewer --person ben@acme.example --for 30d\n" +
			"margay request new tableau/Creator --start 2026-03-30T08:00 --for 5d",
		RunE: func(cmd *cobra.Command, args []string) error {
			role, err := s.role(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			who, err := s.personID(cmd.Context(), person)
			if err != nil {
				return err
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			r, err := api.FileRequest(cmd.Context(), wire.NewRequest{
				RoleID: role.ID, PersonID: who, Duration: length.maybe(), Reason: reason, StartsAt: begin.time(s.now(), s.zone),
			})
			if err != nil {
				return err
			}
			if wait.set {
				return s.watchRequest(cmd.Context(), r, wait.most)
			}
			(&requestStory{s: s}).tell(cmd.Context(), r)
			if s.format != formatTable {
				return show(s, r, s.requestView(cmd.Context()))
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.Var(&length, "for", "how long, such as 8h, 30d or none (default: the policy's usual time)")
	f.Var(&begin, "start", "when it is to begin, such as 2026-03-30, 2026-03-30T08:00 or 24h from now (default: at once)")
	f.StringVar(&person, "person", "", "whom it is for, by e-mail address (default: you)")
	f.StringVar(&reason, "reason", "", "why, for who decides")
	wait.flag(f, "follow it until the access is there")
	return cmd
}

func newRequestList(s *session) *cobra.Command {
	var p paging
	var state, person, app, role string
	var stuck bool
	cmd := &cobra.Command{
		Use: "list", Short: "List the requests that you may see, newest first",
		RunE: func(cmd *cobra.Command, _ []string) error {
			who, err := s.personID(cmd.Context(), person)
			if err != nil {
				return err
			}
			f := client.RequestFilter{State: state, Person: who, Stuck: stuck}
			if app != "" {
				a, err := s.app(cmd.Context(), app)
				if err != nil {
					return err
				}
				f.App = a.ID
			}
			if role != "" {
				r, err := s.role(cmd.Context(), role)
				if err != nil {
					return err
				}
				f.Role = r.ID
			}
			return s.listRequests(cmd.Context(), f, p)
		},
	}
	cmd.Flags().StringVar(&state, "state", "", "waiting_for_approval, approved, denied, withdrawn or lapsed")
	cmd.Flags().StringVar(&app, "app", "", "only those of this app")
	cmd.Flags().StringVar(&role, "role", "", "only those for this APP/ROLE")
	cmd.Flags().StringVar(&person, "person", "", "whom they are for, by e-mail address, or me")
	cmd.Flags().BoolVar(&stuck, "nobody-decides", false, "only those that wait and that nobody may decide on at present")
	p.flags(cmd.Flags())
	return cmd
}

func (s *session) listRequests(ctx context.Context, filter client.RequestFilter, p paging) error {
	api, err := s.client()
	if err != nil {
		return err
	}
	page, err := pages(s, p, func(page client.Page) (wire.List[wire.Request], error) { return api.Requests(ctx, filter, page) })
	if err != nil {
		return err
	}
	v := s.requestView(ctx)
	if filter != (client.RequestFilter{}) {
		v.none = "No request fits."
	}
	if filter.Decidable {
		v.none = "Nothing waits for your decision."
		after := slices.IndexFunc(v.columns, func(c column[wire.Request]) bool { return c.name == "For" }) + 1
		v.columns = slices.Insert(v.columns, after, s.endColumns()...)
	}
	return list(s, page, v)
}

func newRequestShow(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "show REQUEST", Short: "Show one request and what became of its access",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			r, err := api.Request(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return show(s, r, s.requestView(cmd.Context()))
		},
	}
}

func newRequestWatch(s *session) *cobra.Command {
	var most time.Duration
	cmd := &cobra.Command{
		Use: "watch REQUEST", Short: "Follow a request until its access is there",
		Long: "Follow a request until its access is there, or is refused. An interrupt ends the\n" +
			"watching and nothing else.",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			r, err := api.Request(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return s.watchRequest(cmd.Context(), r, most)
		},
	}
	cmd.Flags().DurationVar(&most, "timeout", 0, "at most so long, such as 5m; 0: to the end")
	return cmd
}

func newRequestWithdraw(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "withdraw REQUEST", Short: "Take a request back",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			r, err := api.Withdraw(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return told(s, r, s.requestView(cmd.Context()), "Withdrawn", r.RoleName+" for "+s.personName(cmd.Context(), r.PersonID))
		},
	}
}

func newRequestRetry(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "retry REQUEST", Short: "Ask the workflow of the waiting step again, after it failed",
		Long: "Ask the custom approval workflow of the step that a request waits in again, after it failed. An owner of the app or an administrator may.",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			r, err := api.AskAgain(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return told(s, r, s.requestView(cmd.Context()), "Asking again", r.RoleName)
		},
	}
}
