package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/client"
)

func newApproval(s *session) *cobra.Command {
	return group("approval", "Decide on requests", []string{
		"margay approval list", "margay approval approve REQUEST --for 6h", "margay approval deny REQUEST --reason \"Ask Ben first\"",
	}, newApprovalList(s), newApprovalShow(s), newApprovalApprove(s), newApprovalDeny(s))
}

func newApprovalList(s *session) *cobra.Command {
	var p paging
	cmd := &cobra.Command{
		Use: "list", Short: "List the requests that wait for your decision",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.listRequests(cmd.Context(), client.RequestFilter{Decidable: true}, p)
		},
	}
	p.flags(cmd.Flags())
	return cmd
}

func newApprovalApprove(s *session) *cobra.Command {
	var length span
	var reason string
	cmd := &cobra.Command{
		Use: "approve REQUEST", Short: "Approve the step that is waiting",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := s.warnOfNext(cmd.Context(), args[0]); err != nil {
				return err
			}
			return s.decide(cmd.Context(), args[0], func(ctx context.Context, api *client.Client) (wire.Request, error) {
				return api.Approve(ctx, args[0], wire.Decision{Duration: length.maybe(), Reason: reason})
			})
		},
	}
	cmd.Flags().Var(&length, "for", "for less than what was asked, such as 6h")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for who asked")
	return cmd
}

// warnOfNext says when an approval leaves a request that nobody could decide any
// more, and asks where somebody is there to answer. Who may not read it decides
// without.
func (s *session) warnOfNext(ctx context.Context, id string) error {
	api, err := s.client()
	if err != nil {
		return err
	}
	v, err := api.Review(ctx, id)
	if err != nil || !v.MayDecide || v.NextStep == nil || v.NextStep.Warning == "" {
		return nil //nolint:nilerr // what keeps the decision is told by it
	}
	s.warn("%s", v.NextStep.Warning)
	if !s.canAsk() {
		return nil
	}
	return s.confirm(ctx, "Approve all the same?")
}

func newApprovalDeny(s *session) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "deny REQUEST", Short: "Deny a request",
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.decide(cmd.Context(), args[0], func(ctx context.Context, api *client.Client) (wire.Request, error) {
				return api.Deny(ctx, args[0], wire.Decision{Reason: reason})
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why: who asked reads it")
	return cmd
}

// decide makes a decision and tells what it led to.
func (s *session) decide(ctx context.Context, id string, decision func(context.Context, *client.Client) (wire.Request, error)) error {
	api, err := s.client()
	if err != nil {
		return err
	}
	r, err := decision(ctx, api)
	if err != nil {
		return err
	}
	what := r.RoleName + " for " + s.personName(ctx, r.PersonID)
	switch {
	case r.State == "denied":
		return told(s, r, s.requestView(ctx), "Denied", what)
	case r.State != "approved":
		return told(s, r, s.requestView(ctx), "Approved", what, "another step waits")
	}
	if err := told(s, r, s.requestView(ctx), "Approved", what, spell(time.Duration(r.Duration))); err != nil {
		return err
	}
	s.note("margay request watch %s", id)
	return nil
}
