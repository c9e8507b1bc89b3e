package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/client"
	"github.com/margay-access/margay/internal/export"
)

// instant is a flag with a time: 2026-03-01, 2026-03-01T09:00:00Z, or 24h for so
// long ago.
type instant struct {
	at  time.Time
	ago time.Duration
}

// String implements pflag.Value.
func (i *instant) String() string {
	switch {
	case i.ago != 0:
		return spell(i.ago)
	case i.at.IsZero():
		return ""
	}
	return stamp(i.at)
}

// Set implements pflag.Value.
func (i *instant) Set(text string) error {
	for _, form := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(form, text); err == nil {
			*i = instant{at: at}
			return nil
		}
	}
	d, err := wire.ParseDuration(text)
	if err != nil || d <= 0 {
		return fmt.Errorf("%q is no time: write 2026-03-01, 2026-03-01T09:00:00Z, or 24h for so long ago", text)
	}
	*i = instant{ago: d}
	return nil
}

// Type implements pflag.Value.
func (*instant) Type() string { return "TIME" }

func (i *instant) time(now time.Time) time.Time {
	if i.ago != 0 {
		return now.Add(-i.ago)
	}
	return i.at
}

// eventFlags pick events of the audit log.
type eventFlags struct {
	subject, actor, text string
	kinds                []string
	since, until         instant
}

func (f *eventFlags) flags(flags *pflag.FlagSet) {
	flags.StringVar(&f.subject, "subject", "", "what it happened to: grant:ID, request:ID, connection:ID, person:ID")
	flags.StringSliceVar(&f.kinds, "kind", nil, "what happened: grant.activated; grant. for all that begin so")
	flags.StringVar(&f.actor, "actor", "", "who did it: a person, or system")
	flags.StringVar(&f.text, "text", "", "what stands somewhere in it")
	flags.Var(&f.since, "since", "not before this time (2026-03-01, or 24h for so long ago)")
	flags.Var(&f.until, "until", "before this time")
}

func (f *eventFlags) filter(ctx context.Context, s *session) (client.EventFilter, error) {
	out := client.EventFilter{Subject: f.subject, Kinds: f.kinds, Actor: f.actor, Text: f.text, Since: f.since.time(s.now()), Until: f.until.time(s.now())}
	if f.actor == "" || f.actor == "system" || strings.HasPrefix(f.actor, "usr_") {
		return out, nil
	}
	p, err := s.person(ctx, f.actor)
	out.Actor = p.ID
	return out, err
}

func newAuditExport(s *session) *cobra.Command {
	var f eventFlags
	cmd := &cobra.Command{
		Use: "export", Short: "Write all events that fit, newest first",
		Long: "Write all events that fit as JSON, one a line, or with -o csv as comma-separated values in\n" +
			"which no spreadsheet finds a formula. It is written as it is read, however much it is.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			filter, err := f.filter(cmd.Context(), s)
			if err != nil {
				return err
			}
			write, flush, err := s.eventWriter()
			if err != nil {
				return err
			}
			page := client.Page{Limit: largestPage}
			for {
				events, err := api.Events(cmd.Context(), filter, page)
				if err != nil {
					return err
				}
				for _, e := range events.Items {
					if err := write(e); err != nil {
						return err
					}
				}
				if page.Cursor = events.NextCursor; page.Cursor == "" {
					return flush()
				}
			}
		},
	}
	f.flags(cmd.Flags())
	return cmd
}

// eventWriter returns what writes events in the format that was asked for.
func (s *session) eventWriter() (write func(wire.Event) error, flush func() error, err error) {
	switch s.format {
	case formatCSV:
		out := export.NewCSV(s.out)
		write = func(e wire.Event) error {
			data, err := json.Marshal(e.Data)
			if err != nil {
				return fmt.Errorf("write an event: %w", err)
			}
			return out.Write(strconv.FormatInt(e.Seq, 10), e.ID, stamp(e.At), e.Kind, e.Actor, e.Subject, visible(string(data)), e.Hash)
		}
		return write, out.Flush, out.Write("seq", "id", "at", "kind", "actor", "subject", "data", "hash")
	case formatTable, formatJSONL:
		s.format = formatJSONL
		return func(e wire.Event) error { return s.encode(e) }, func() error { return nil }, nil
	case formatJSON, formatYAML, formatID:
	}
	return nil, nil, usage("margay audit export -o csv", "An export is written as jsonl or csv.")
}

// tailEvery is how often new events are asked for.
const tailEvery = 2 * time.Second

func newAuditTail(s *session) *cobra.Command {
	var f eventFlags
	var once bool
	cmd := &cobra.Command{
		Use: "tail", Short: "Show what happens as it happens, until interrupted",
		Long: "Show the last ten events that fit, oldest first, and then each that comes, until\n" +
			"interrupted. With -o jsonl it can be piped into a collector of logs.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			filter, err := f.filter(cmd.Context(), s)
			if err != nil {
				return err
			}
			last, most := int64(0), 10
			for {
				events, err := newer(cmd.Context(), api, filter, last, most)
				if err != nil {
					return err
				}
				for _, e := range events {
					if last, err = e.Seq, s.tailLine(cmd.Context(), e); err != nil {
						return err
					}
				}
				if most = 0; once {
					return nil
				}
				if err := rest(cmd.Context(), tailEvery); err != nil {
					return nil //nolint:nilerr // who interrupts it has seen enough
				}
			}
		},
	}
	f.flags(cmd.Flags())
	cmd.Flags().BoolVar(&once, "once", false, "show the last ten and stop")
	return cmd
}

// newer returns the events behind the number last, oldest first; the last most
// of them, or all for 0.
func newer(ctx context.Context, api *client.Client, f client.EventFilter, last int64, most int) ([]wire.Event, error) {
	var found []wire.Event
	page := client.Page{Limit: largestPage}
	if most > 0 {
		page.Limit = most
	}
	for {
		events, err := api.Events(ctx, f, page)
		if err != nil {
			return nil, err
		}
		for _, e := range events.Items {
			if e.Seq <= last {
				return reversed(found), nil
			}
			found = append(found, e)
		}
		if page.Cursor = events.NextCursor; page.Cursor == "" || most > 0 || last == 0 {
			return reversed(found), nil
		}
	}
}

func reversed(events []wire.Event) []wire.Event {
	slices.Reverse(events)
	return events
}

func (s *session) tailLine(ctx context.Context, e wire.Event) error {
	if s.format == formatJSON || s.format == formatJSONL || s.format == formatYAML {
		return s.encode(e)
	}
	_, err := fmt.Fprintf(s.out, "%s  %s  %s  %s  %s\n", stamp(e.At), visible(e.Kind), visible(s.personName(ctx, e.Actor)), visible(e.Subject), visible(pairs(e.Data)))
	return err
}
