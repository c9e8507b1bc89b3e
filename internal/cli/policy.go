package cli

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/margay-access/margay/internal/api/wire"
)

func newPolicy(s *session) *cobra.Command {
	return group("policy", "Under which rules roles are given", []string{
		"margay policy add standard --longest 30d --usual 8h --reason-needed --approver ana@acme.example,ben@acme.example",
	}, newPolicyList(s), newPolicyShow(s), newPolicyAdd(s), newPolicyEdit(s), newPolicyHistory(s), newPolicyDiff(s))
}

// policyView shows policies.
func (s *session) policyView(ctx context.Context) view[wire.Policy] {
	return view[wire.Policy]{
		none: "There is no policy yet. Make one with: margay policy add NAME",
		id:   func(p wire.Policy) string { return p.ID },
		columns: []column[wire.Policy]{
			{name: "Id", keep: true, cell: func(p wire.Policy) cell { return text(p.ID) }},
			{name: "Name", cell: func(p wire.Policy) cell { return text(p.Name) }},
			{name: "Longest", cell: func(p wire.Policy) cell { return length(p.Longest) }},
			{name: "Usual", cell: usual},
			{name: "Reason", cell: func(p wire.Policy) cell { return yesCell(p.ReasonNeeded) }},
			{name: "Approval", cell: func(p wire.Policy) cell { return text(s.steps(ctx, p)) }},
		},
		details: func(p wire.Policy) []detail {
			lines := []detail{
				{"Id", text(p.ID)},
				{"Name", text(p.Name)},
				{"Version", text(strconv.Itoa(p.Version))},
				{"Longest", length(p.Longest)},
				{"Usual", usual(p)},
				{"Reason needed", yesCell(p.ReasonNeeded)},
				{"On behalf of others", text(string(p.OnBehalf))},
			}
			for i, step := range p.Steps {
				lines = append(lines, detail{"Step " + strconv.Itoa(i+1), text(s.step(ctx, step))})
			}
			if len(p.Steps) == 0 {
				lines = append(lines, detail{"Approval", text("none: granted at once")})
			}
			if p.AutoSentence != "" {
				lines = append(lines, detail{"By itself", text(p.AutoSentence)})
			}
			lines = append(lines, detail{"A request waits", length(p.Waits)})
			return append(lines, detail{"Created", s.exact(p.CreatedAt)})
		},
	}
}

func usual(p wire.Policy) cell {
	if p.Usual == 0 {
		return length(p.Longest)
	}
	return length(p.Usual)
}

// step says who decides in one step.
func (s *session) step(ctx context.Context, step wire.PolicyStep) string {
	who := make([]string, 0, len(step.ApproverIDs)+1)
	for _, id := range step.ApproverIDs {
		who = append(who, s.personName(ctx, id))
	}
	for _, id := range step.GroupIDs {
		who = append(who, "members of "+s.groupName(ctx, id))
	}
	if step.AppOwners {
		who = append(who, "owners of the app")
	}
	if step.Manager {
		who = append(who, "the manager")
	}
	if step.WorkflowID != "" {
		return "the workflow " + s.workflowName(ctx, step.WorkflowID)
	}
	text := strings.Join(who, " or ")
	if step.SelfApproval {
		text += " (also their own)"
	}
	return text
}

func (s *session) steps(ctx context.Context, p wire.Policy) string {
	if len(p.Steps) == 0 {
		return "none"
	}
	texts := make([]string, len(p.Steps))
	for i, step := range p.Steps {
		texts[i] = s.step(ctx, step)
	}
	return strings.Join(texts, ", then ")
}

func newPolicyList(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the policies",
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := s.policies(cmd.Context())
			if err != nil {
				return err
			}
			return list(s, wire.List[wire.Policy]{Items: all}, s.policyView(cmd.Context()))
		},
	}
}

func newPolicyShow(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "show POLICY", Short: "Show one policy, by name or id",
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := s.policy(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			if p, err = api.Policy(cmd.Context(), p.ID); err != nil {
				return err
			}
			return show(s, p, s.policyView(cmd.Context()))
		},
	}
}

// policyForm is what flags say of a policy.
type policyForm struct {
	name                  string
	longest, usual        span
	reasonNeeded          bool
	onBehalf              string
	approvers             []string
	appOwners, self, open bool
	waits, autoLongest    span
	autoGroups, autoRoles []string
	noAuto, dryRun        bool
}

// These stand for others than people among approvers.
const (
	ownersWord  = "app-owners"
	managerWord = "manager"
	groupWord   = "group:"

	workflowWord = "workflow:"
)

func (f *policyForm) flags(flags *pflag.FlagSet) {
	flags.Var(&f.longest, "longest", "the longest time that access lasts, such as 30d, or none")
	flags.Var(&f.usual, "usual", "offered when nobody says how long, such as 8h; none: the longest")
	flags.BoolVar(&f.reasonNeeded, "reason-needed", false, "who asks must say why")
	flags.StringVar(&f.onBehalf, "on-behalf", "nobody", "who may ask for somebody else: nobody, managers, owners or anybody")
	flags.StringArrayVar(&f.approvers, "approver", nil, "one step: EMAIL, group:NAME, manager or app-owners, or several with commas for any one of them, or workflow:NAME alone; repeated: the next step")
	flags.BoolVar(&f.appOwners, ownersWord, false, "the owners of the app may decide in every step")
	flags.Var(&f.waits, "waits", "how long a request waits before it lapses, such as 14d (default: 30d)")
	flags.Var(&f.autoLongest, "auto-longest", "what is asked for at most so long is approved by itself")
	flags.StringSliceVar(&f.autoGroups, "auto-group", nil, "what members ask for themselves is approved by itself; may be repeated")
	flags.StringSliceVar(&f.autoRoles, "auto-role", nil, "what is asked of this APP/ROLE is approved by itself; may be repeated")
	flags.BoolVar(&f.dryRun, "dry-run", false, "say what it would change and whom it touches, and change nothing")
	flags.BoolVar(&f.self, "self-approval", false, "people may decide on their own requests")
}

// apply returns p with what the flags say.
func (f *policyForm) apply(ctx context.Context, s *session, cmd *cobra.Command, p wire.NewPolicy) (wire.NewPolicy, error) {
	flags := cmd.Flags()
	if flags.Changed("longest") {
		p.Longest = wire.Duration(f.longest.length)
	}
	if flags.Changed("usual") {
		p.Usual = wire.Duration(f.usual.length)
	}
	if flags.Changed("reason-needed") {
		p.ReasonNeeded = f.reasonNeeded
	}
	if flags.Changed("on-behalf") {
		p.OnBehalf = wire.OnBehalf(f.onBehalf)
	}
	if flags.Changed("approver") {
		steps, err := s.policySteps(ctx, f.approvers)
		if err != nil {
			return p, err
		}
		p.Steps = steps
	}
	if f.open {
		p.Steps = nil
	}
	if flags.Changed("waits") {
		p.Waits = wire.Duration(f.waits.length)
	}
	p, err := f.auto(ctx, s, cmd, p)
	if err != nil {
		return p, err
	}
	if flags.Changed(ownersWord) {
		if f.appOwners && len(p.Steps) == 0 {
			p.Steps = []wire.PolicyStep{{}}
		}
		p.Steps = slices.Clone(p.Steps)
		for i := range p.Steps {
			p.Steps[i].AppOwners = f.appOwners
		}
	}
	if flags.Changed("self-approval") {
		if f.self && len(p.Steps) == 0 {
			return p, usage("Say who decides with --approver or --app-owners.", "--self-approval needs a step of approval.")
		}
		p.Steps = slices.Clone(p.Steps)
		for i := range p.Steps {
			p.Steps[i].SelfApproval = f.self
		}
	}
	return p, nil
}

// auto returns p with what the flags say of approving by itself. All that they
// name must hold.
func (f *policyForm) auto(ctx context.Context, s *session, cmd *cobra.Command, p wire.NewPolicy) (wire.NewPolicy, error) {
	flags := cmd.Flags()
	auto := wire.Auto{}
	if p.Auto != nil && !f.noAuto {
		auto = *p.Auto
	}
	if flags.Changed("auto-longest") {
		auto.Longest = wire.Duration(f.autoLongest.length)
	}
	if flags.Changed("auto-group") {
		ids, err := s.groupIDs(ctx, cleaned(f.autoGroups))
		if err != nil {
			return p, err
		}
		auto.GroupIDs = ids
	}
	if flags.Changed("auto-role") {
		auto.RoleIDs = nil
		for _, ref := range cleaned(f.autoRoles) {
			r, err := s.role(ctx, ref)
			if err != nil {
				return p, err
			}
			auto.RoleIDs = append(auto.RoleIDs, r.ID)
		}
	}
	p.Auto = &auto
	return p, nil
}

func (s *session) policySteps(ctx context.Context, approvers []string) ([]wire.PolicyStep, error) {
	var steps []wire.PolicyStep
	for _, group := range approvers {
		var step wire.PolicyStep
		for _, ref := range cleaned(strings.Split(group, ",")) {
			if ref == ownersWord {
				step.AppOwners = true
				continue
			}
			if ref == managerWord {
				step.Manager = true
				continue
			}
			if name, ok := strings.CutPrefix(ref, groupWord); ok {
				g, err := s.group(ctx, name)
				if err != nil {
					return nil, err
				}
				step.GroupIDs = append(step.GroupIDs, g.ID)
				continue
			}
			if name, ok := strings.CutPrefix(ref, workflowWord); ok {
				id, err := s.workflowID(ctx, name)
				if err != nil {
					return nil, err
				}
				step.WorkflowID = id
				continue
			}
			p, err := s.person(ctx, ref)
			if err != nil {
				return nil, err
			}
			step.ApproverIDs = append(step.ApproverIDs, p.ID)
		}
		steps = append(steps, step)
	}
	return steps, nil
}

const policyLong = "Each --approver is one step: with --approver a@x,b@x any one of the two decides, with\n" +
	"--approver a@x --approver b@x first the one and then the other. app-owners stands for the\n" +
	"owners of the app, group:NAME for the members of a group, manager for the manager of who asks\n" +
	"or of whom it is for. --approver workflow:NAME is a step that a custom approval workflow\n" +
	"decides, or says who does. Without a step access is granted at once. What --auto-longest,\n" +
	"--auto-group and --auto-role say together is approved by itself."

func newPolicyAdd(s *session) *cobra.Command {
	var form policyForm
	cmd := &cobra.Command{
		Use: "add NAME", Short: "Make a policy", Long: "Make a policy. " + policyLong,
		Example: "margay policy add standard --longest 30d --usual 8h --reason-needed --approver ana@acme.example\n" +
			"margay policy add strict --longest 8h --approver app-owners --approver ana@acme.example,ben@acme.example",
		RunE: func(cmd *cobra.Command, args []string) error {
			in, err := form.apply(cmd.Context(), s, cmd, wire.NewPolicy{Name: args[0]})
			if err != nil {
				return err
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			if form.dryRun {
				p, err := api.PreviewPolicy(cmd.Context(), "", in)
				if err != nil {
					return err
				}
				return s.impact(p)
			}
			p, err := api.CreatePolicy(cmd.Context(), in)
			if err != nil {
				return err
			}
			s.cautions(p)
			longest := "without end"
			if p.Longest != 0 {
				longest = "at most " + spell(time.Duration(p.Longest))
			}
			approval := "approval: " + s.steps(cmd.Context(), p)
			if len(p.Steps) == 0 {
				approval = "no approval: granted at once"
			}
			return told(s, p, s.policyView(cmd.Context()), "Made", p.Name, longest, approval)
		},
	}
	form.flags(cmd.Flags())
	return cmd
}

func newPolicyEdit(s *session) *cobra.Command {
	var form policyForm
	cmd := &cobra.Command{
		Use: "edit POLICY", Short: "Save a new version of a policy",
		Long: "Save a new version of a policy, for requests from now on. What no flag says stays.\n" + policyLong,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needChange(cmd); err != nil {
				return err
			}
			p, err := s.policy(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			in, err := form.apply(cmd.Context(), s, cmd, wire.NewPolicy{
				Name: p.Name, Longest: p.Longest, Usual: p.Usual, ReasonNeeded: p.ReasonNeeded, OnBehalf: p.OnBehalf, Steps: p.Steps,
				Auto: p.Auto, Waits: p.Waits,
			})
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("name") {
				in.Name = form.name
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			if form.dryRun {
				p, err := api.PreviewPolicy(cmd.Context(), p.ID, in)
				if err != nil {
					return err
				}
				return s.impact(p)
			}
			p, err = api.ChangePolicy(cmd.Context(), p.ID, p.Version, in)
			if err != nil {
				return err
			}
			s.cautions(p)
			return told(s, p, s.policyView(cmd.Context()), "Changed", p.Name, "version "+strconv.Itoa(p.Version))
		},
	}
	cmd.Flags().StringVar(&form.name, "name", "", "another name")
	cmd.Flags().BoolVar(&form.noAuto, "no-auto", false, "nothing is approved by itself")
	cmd.Flags().BoolVar(&form.open, "no-approval", false, "no step: granted at once")
	form.flags(cmd.Flags())
	return cmd
}
