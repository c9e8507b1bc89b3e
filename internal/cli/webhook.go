package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/client"
)

func newWebhook(s *session) *cobra.Command {
	return group("webhook", "Programs that are told of what happens", []string{
		"margay webhook add https://hooks.acme.example/margay --type grant.activated --type grant.ended",
		"margay webhook deliveries WEBHOOK --state failed",
	}, newWebhookList(s), newWebhookShow(s), newWebhookAdd(s), newWebhookEdit(s), newWebhookTest(s), newWebhookDeliveries(s), newWebhookReplay(s),
		newWebhookRotate(s), newWebhookDelete(s))
}

func (s *session) webhookView() view[wire.Webhook] {
	return view[wire.Webhook]{
		none: "There is no webhook yet. Add one with: margay webhook add URL",
		id:   func(w wire.Webhook) string { return w.ID },
		columns: []column[wire.Webhook]{
			{name: "Id", keep: true, cell: func(w wire.Webhook) cell { return text(w.ID) }},
			{name: "Name", cell: func(w wire.Webhook) cell { return text(w.Name) }},
			{name: "State", cell: func(w wire.Webhook) cell { return text(w.State) }},
			{name: "Types", cell: func(w wire.Webhook) cell {
				if len(w.Types) == 0 {
					return cell{tty: "all"}
				}
				return text(strings.Join(w.Types, " "))
			}},
			{name: "Last success", cell: func(w wire.Webhook) cell { return s.maybeMoment(w.SucceededAt) }},
			{name: "Failing since", cell: func(w wire.Webhook) cell { return s.maybeMoment(w.FailingAt) }},
			{name: "Url", cell: func(w wire.Webhook) cell { return text(w.URL) }},
			{name: "Problem", cell: func(w wire.Webhook) cell { return text(w.Problem) }},
		},
	}
}

// maybeMoment shows a time that may be none.
func (s *session) maybeMoment(t *time.Time) cell {
	if t == nil {
		return text("")
	}
	return s.moment(*t)
}

func (s *session) deliveryView() view[wire.Delivery] {
	return view[wire.Delivery]{
		none: "No delivery fits.",
		id:   func(d wire.Delivery) string { return d.ID },
		columns: []column[wire.Delivery]{
			{name: "Id", keep: true, cell: func(d wire.Delivery) cell { return text(d.ID) }},
			{name: "Created", cell: func(d wire.Delivery) cell { return s.moment(d.CreatedAt) }},
			{name: "Type", cell: func(d wire.Delivery) cell { return text(d.Type) }},
			{name: "Subject", cell: func(d wire.Delivery) cell { return text(d.Subject) }},
			{name: "State", cell: func(d wire.Delivery) cell { return text(d.State) }},
			{name: "Attempts", cell: func(d wire.Delivery) cell { return text(strconv.Itoa(d.Attempts)) }},
			{name: "Next", cell: func(d wire.Delivery) cell { return s.maybeMoment(d.NextAt) }},
			{name: "Problem", cell: func(d wire.Delivery) cell { return text(d.Problem) }},
		},
	}
}

func newWebhookList(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the webhooks",
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			page, err := api.Webhooks(cmd.Context())
			if err != nil {
				return err
			}
			return list(s, page, s.webhookView())
		},
	}
}

func newWebhookShow(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "show WEBHOOK", Short: "Show one webhook",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			w, err := api.Webhook(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return show(s, w, s.webhookView())
		},
	}
}

func newWebhookAdd(s *session) *cobra.Command {
	var in wire.NewWebhook
	cmd := &cobra.Command{
		Use: "add URL", Short: "Add a webhook and print its secret, this once",
		Long: "Add a webhook. It is told of what happens from now on. Its secret is printed once: the\n" +
			"receiver checks with it that a message is Margay's (Standard Webhooks).",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			in.URL = args[0]
			w, err := api.AddWebhook(cmd.Context(), in)
			if err != nil {
				return err
			}
			return s.showSecret(w, "Added")
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.Name, "name", "", "what you call it (default: its host)")
	f.StringSliceVar(&in.Types, "type", nil, "what it is told of, such as grant.activated (default: everything)")
	f.StringVar(&in.Content, "content", "", "standard or cloudevents")
	return cmd
}

// showSecret tells what was done and prints the secret: alone to a pipe.
func (s *session) showSecret(w wire.WebhookSecret, what string) error {
	s.tell(markDone, what, w.Webhook.ID, w.Webhook.Name)
	switch s.format {
	case formatJSON, formatJSONL, formatYAML:
		return s.encode(w)
	case formatID:
		_, err := fmt.Fprintln(s.out, w.Webhook.ID)
		return err
	case formatTable, formatCSV:
	}
	s.note("This secret is not shown again.")
	_, err := fmt.Fprintln(s.out, visible(w.Secret))
	return err
}

func newWebhookEdit(s *session) *cobra.Command {
	var name, url, content string
	var types []string
	var paused bool
	cmd := &cobra.Command{
		Use: "edit WEBHOOK", Short: "Change, pause or enable a webhook",
		Example: "margay webhook edit WEBHOOK --paused\n" +
			"margay webhook edit WEBHOOK --paused=false",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needChange(cmd); err != nil {
				return err
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			w, err := api.ChangeWebhook(cmd.Context(), args[0], wire.ChangedWebhook{
				Name: given(cmd, "name", name), URL: given(cmd, "to", url), Types: given(cmd, "type", types),
				Content: given(cmd, "content", content), Paused: given(cmd, "paused", paused),
			})
			if err != nil {
				return err
			}
			return told(s, w, s.webhookView(), "Changed", w.Name, w.State)
		},
	}
	f := cmd.Flags()
	f.StringVar(&name, "name", "", "what you call it")
	f.StringVar(&url, "to", "", "its address")
	f.StringSliceVar(&types, "type", nil, "what it is told of; --type '' for everything")
	f.StringVar(&content, "content", "", "standard or cloudevents")
	f.BoolVar(&paused, "paused", false, "tell it nothing; --paused=false enables it, also after it was disabled")
	return cmd
}

func newWebhookTest(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "test WEBHOOK", Short: "Post a test message now",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			d, err := api.TestWebhook(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if d.State == "delivered" {
				return told(s, d, s.deliveryView(), "Delivered")
			}
			if s.format != formatTable {
				if err := show(s, d, s.deliveryView()); err != nil {
					return err
				}
			}
			return &outcomeError{code: exitFailed, shown: s.format != formatTable, message: "It was not delivered. " + d.Problem}
		},
	}
}

func newWebhookDeliveries(s *session) *cobra.Command {
	var p paging
	var state string
	cmd := &cobra.Command{
		Use: "deliveries WEBHOOK", Short: "List what was sent to a webhook, newest first",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			page, err := pages(s, p, func(page client.Page) (wire.List[wire.Delivery], error) {
				return api.Deliveries(cmd.Context(), args[0], state, page)
			})
			if err != nil {
				return err
			}
			return list(s, page, s.deliveryView())
		},
	}
	cmd.Flags().StringVar(&state, "state", "", "waiting, delivered, failed or cancelled")
	p.flags(cmd.Flags())
	return cmd
}

func newWebhookReplay(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "replay WEBHOOK DELIVERY", Short: "Try a delivery again, under the same message id",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			d, err := api.ReplayDelivery(cmd.Context(), args[0], args[1])
			if err != nil {
				return err
			}
			return told(s, d, s.deliveryView(), "Waiting to be tried", d.Type)
		},
	}
}

func newWebhookRotate(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "rotate WEBHOOK", Short: "Make a new secret and print it, this once",
		Long: "Make a new secret and print it, this once. For a day messages are signed with the one\n" +
			"before too, so that the receiver can change over.",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			w, err := api.RotateWebhook(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return s.showSecret(w, "Rotated")
		},
	}
}

func newWebhookDelete(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "delete WEBHOOK", Short: "Delete a webhook with its deliveries",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			w, err := api.Webhook(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			fmt.Fprintf(s.err, "%s  %s  %s\n", w.ID, visible(w.Name), visible(w.URL))
			if err := s.confirm(cmd.Context(), "Delete this webhook and its deliveries?"); err != nil {
				return err
			}
			if err := api.DeleteWebhook(cmd.Context(), w.ID); err != nil {
				return err
			}
			return told(s, w, s.webhookView(), "Deleted", w.Name)
		},
	}
}

func newNotice(s *session) *cobra.Command {
	return group("notice", "Mail about what waits, was decided, failed or ends", []string{"margay notice mail off"}, newNoticeMail(s), newNoticeTest(s))
}

func newNoticeMail(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "mail [on|off]", Short: "Say whether you get mail, or change that",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			var st wire.MailStatus
			switch first(args) {
			case "":
				st, err = api.Mail(cmd.Context())
			case "on", "off":
				st, err = api.ChangeMail(cmd.Context(), args[0] == "on")
			default:
				return usage("margay notice mail off", "Say on or off, not %q.", args[0])
			}
			if err != nil {
				return err
			}
			return show(s, st, view[wire.MailStatus]{
				id: func(st wire.MailStatus) string { return strconv.FormatBool(st.Mine) },
				columns: []column[wire.MailStatus]{
					{name: "Server sends mail", cell: func(st wire.MailStatus) cell { return yesCell(st.On) }},
					{name: "You get it", cell: func(st wire.MailStatus) cell { return yesCell(st.Mine) }},
				},
			})
		},
	}
}

func newNoticeTest(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "mail-test", Short: "Have the server send a mail to you now",
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			sent, err := api.TestMail(cmd.Context())
			if err != nil {
				return err
			}
			return told(s, sent, view[wire.MailSent]{
				id:      func(m wire.MailSent) string { return m.To },
				columns: []column[wire.MailSent]{{name: "To", cell: func(m wire.MailSent) cell { return text(m.To) }}},
			}, "Sent")
		},
	}
}
