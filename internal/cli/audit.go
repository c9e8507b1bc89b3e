package cli

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/client"
)

func newAudit(s *session) *cobra.Command {
	return group("audit", "What happened and who did it", []string{
		"margay audit list --subject grant:GRANT", "margay audit export --since 2026-03-01 --until 2026-04-01 -o csv >march.csv", "margay audit verify",
	}, newAuditList(s), newAuditTail(s), newAuditExport(s), newAuditVerify(s))
}

// eventView shows rows of the audit log.
func (s *session) eventView(ctx context.Context) view[wire.Event] {
	return view[wire.Event]{
		none: "No event fits.",
		id:   func(e wire.Event) string { return e.ID },
		columns: []column[wire.Event]{
			{name: "Seq", keep: true, cell: func(e wire.Event) cell { return text(strconv.FormatInt(e.Seq, 10)) }},
			{name: "At", keep: true, cell: func(e wire.Event) cell { return s.moment(e.At) }},
			{name: "Event", keep: true, cell: func(e wire.Event) cell { return text(e.Kind) }},
			{name: "Actor", cell: func(e wire.Event) cell { return text(s.personName(ctx, e.Actor)) }},
			{name: "Subject", keep: true, cell: func(e wire.Event) cell { return text(e.Subject) }},
			{name: "Data", cell: func(e wire.Event) cell { return text(pairs(e.Data)) }},
		},
	}
}

// pairs writes data as name=value, sorted.
func pairs(data map[string]string) string {
	var texts []string
	for _, name := range slices.Sorted(maps.Keys(data)) {
		if data[name] != "" {
			texts = append(texts, name+"="+data[name])
		}
	}
	return strings.Join(texts, " ")
}

func newAuditList(s *session) *cobra.Command {
	var p paging
	var f eventFlags
	cmd := &cobra.Command{
		Use: "list", Short: "List what happened, newest first",
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			filter, err := f.filter(cmd.Context(), s)
			if err != nil {
				return err
			}
			page, err := pages(s, p, func(page client.Page) (wire.List[wire.Event], error) { return api.Events(cmd.Context(), filter, page) })
			if err != nil {
				return err
			}
			return list(s, page, s.eventView(cmd.Context()))
		},
	}
	f.flags(cmd.Flags())
	p.flags(cmd.Flags())
	return cmd
}

func newAuditVerify(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "verify", Short: "Check that the audit log was not changed",
		Long: "Check that each row of the audit log holds the hash of the one before, and, on a server\n" +
			"with --audit-head, that the log is not older than the file says. The exit code is 1 when\n" +
			"the log does not hold. Keep the hash elsewhere to show later that no row was cut off.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			v, err := api.VerifyAudit(cmd.Context())
			if err != nil {
				return err
			}
			err = show(s, v, view[wire.Verification]{
				id: func(v wire.Verification) string { return v.Hash },
				columns: []column[wire.Verification]{
					{name: "Holds", cell: func(v wire.Verification) cell { return yesCell(v.OK) }},
					{name: "Events", cell: func(v wire.Verification) cell { return text(strconv.FormatInt(v.Events, 10)) }},
					{name: "Hash", keep: true, cell: func(v wire.Verification) cell { return text(v.Hash) }},
					{name: "Reason", cell: func(v wire.Verification) cell { return text(v.Reason) }},
				},
			})
			if err != nil || v.OK {
				return err
			}
			return &outcomeError{code: exitFailed, shown: true, message: "The audit log does not hold: " + v.Reason}
		},
	}
}
