package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/client"
)

// connectionState shows a state with what it means.
func connectionState(c wire.Connection) cell {
	st := stateCell(c.State)
	word := c.StateWord
	if word == "" {
		return st
	}
	if st.tty != "" {
		sign, _, _ := strings.Cut(st.tty, " ")
		st.tty = sign + " " + word + ": " + c.StateNote
	}
	st.text = word + ": " + c.StateNote
	return st
}

func by(a wire.Author) string {
	switch {
	case a.Name != "":
		return " by " + a.Name
	case a.ID != "":
		return " by " + a.ID
	}
	return ""
}

// connectionFacts are the lines with what is known of a connection beside its
// settings.
func (s *session) connectionFacts(c wire.Connection) []detail {
	lines := []detail{{"Calls go to", text("https://" + c.Target.Host + " · " + c.Target.Place)}}
	if t := c.Credential.SetAt; t != nil {
		lines = append(lines, detail{"Token set", text(s.exact(*t).text + by(c.Credential.SetBy))})
	}
	used := "not yet"
	if t := c.Credential.UsedAt; t != nil {
		used = s.exact(*t).text
	}
	lines = append(lines, detail{"Token used", text(used)}, detail{"Days without use", text(strconv.Itoa(c.Credential.IdleDays))})
	if c.Credential.Warning != "" {
		lines = append(lines, detail{"Warning", cell{text: c.Credential.Warning, tint: warned}})
	}
	lines = append(lines, detail{"Calls today", text(strconv.Itoa(c.CallsToday))})
	if c.Traffic != nil {
		lines = append(lines, s.traffic(*c.Traffic)...)
	}
	for _, f := range c.Facts {
		lines = append(lines, detail{f.Label, text(f.Value)})
	}
	for _, r := range c.Checks {
		result := cell{text: strings.ToUpper(r.Status) + " " + r.Message, tint: good}
		if r.Status != "pass" {
			result.tint = bad
		}
		lines = append(lines, detail{r.Name, result})
	}
	return lines
}

// traffic says what a connection is doing at the moment.
func (s *session) traffic(t wire.Traffic) []detail {
	session := "none: one is made when something is sent"
	if t.HeldBy != "" {
		session = "held by " + t.HeldBy
	}
	if t.OpenedAt != nil {
		session += ", since " + s.exact(*t.OpenedAt).text
	}
	if t.Wanted {
		session += "; another node waits for it"
	}
	lines := []detail{{"Session", text(session)}, {"Calls under way", text(strconv.Itoa(t.Calls))}}
	if t.PausedUntil != nil {
		lines = append(lines, detail{"Slowed down", cell{text: "asked to send nothing until " + s.exact(*t.PausedUntil).text, tint: warned}})
	}
	return lines
}

func newConnectionPause(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "pause CONNECTION", Short: "Send nothing over a connection until it is resumed",
		Long: "Send nothing over a connection until it is resumed. What is under way ends; runs wait.\n" +
			"A token that is not used for 15 days may expire.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.turn(cmd.Context(), first(args), "Paused", (*client.Client).PauseConnection)
		},
	}
}

func newConnectionResume(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "resume CONNECTION", Short: "End the pause of a connection",
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.turn(cmd.Context(), first(args), "Resumed", (*client.Client).ResumeConnection)
		},
	}
}

func (s *session) turn(ctx context.Context, ref, what string, act func(*client.Client, context.Context, string) (wire.Connection, error)) error {
	c, err := s.connection(ctx, ref)
	if err != nil {
		return err
	}
	api, err := s.client()
	if err != nil {
		return err
	}
	if c, err = act(api, ctx, c.ID); err != nil {
		return err
	}
	return told(s, c, s.connectionView(), what, c.DisplayName)
}

func newConnectionCalls(s *session) *cobra.Command {
	var mine bool
	cmd := &cobra.Command{
		Use: "calls [CONNECTION]", Short: "List what was sent over a connection lately",
		Long: "List the last 20 calls to the site, sign-in and sign-out too: method, path with ids replaced, status, time.\n" +
			"Bodies are not kept. --history lists what people sent themselves, as commands.",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.connection(cmd.Context(), first(args))
			if err != nil {
				return err
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			calls, err := api.ConnectionCalls(cmd.Context(), c.ID)
			if err != nil {
				return err
			}
			if mine {
				return list(s, wire.List[wire.SentCall]{Items: calls.History}, s.sentView())
			}
			return list(s, wire.List[wire.Exchange]{Items: calls.Items}, s.exchangeView())
		},
	}
	cmd.Flags().BoolVar(&mine, "history", false, "list the calls that people sent, as commands")
	return cmd
}

func (s *session) exchangeView() view[wire.Exchange] {
	return view[wire.Exchange]{
		none: "Nothing was sent yet.", id: func(e wire.Exchange) string { return e.Method + " " + e.Path },
		columns: []column[wire.Exchange]{
			{name: "When", cell: func(e wire.Exchange) cell { return s.moment(e.At) }},
			{name: "Kind", keep: true, cell: func(e wire.Exchange) cell { return text(e.Kind) }},
			{name: "Method", keep: true, cell: func(e wire.Exchange) cell { return text(e.Method) }},
			{name: "Path", cell: func(e wire.Exchange) cell { return text(e.Path) }},
			{name: "Status", keep: true, cell: func(e wire.Exchange) cell { return text(strings.TrimSpace(answered(e.Status) + " " + e.Code)) }},
			{name: "Time", keep: true, cell: func(e wire.Exchange) cell { return text(fmt.Sprintf("%.0f ms", e.DurationMS)) }},
		},
	}
}

func answered(status int) string {
	if status == 0 {
		return "no answer"
	}
	return strconv.Itoa(status)
}

func (s *session) sentView() view[wire.SentCall] {
	return view[wire.SentCall]{
		none: "Nobody sent a call yet.", id: func(c wire.SentCall) string { return c.Command },
		columns: []column[wire.SentCall]{
			{name: "When", cell: func(c wire.SentCall) cell { return s.moment(c.At) }},
			{name: "Who", cell: func(c wire.SentCall) cell { return text(strings.TrimPrefix(by(c.By), " by ")) }},
			{name: "Status", keep: true, cell: func(c wire.SentCall) cell { return text(strings.TrimSpace(answered(c.Status) + " " + c.Error)) }},
			{name: "Command", keep: true, cell: func(c wire.SentCall) cell { return text(c.Command) }},
		},
	}
}
