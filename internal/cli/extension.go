package cli

import (
	"time"

	"github.com/margay-access/margay/internal/api/wire"
)

// endColumns say how the end of access would move that a request asks more time
// for.
func (s *session) endColumns() []column[wire.Request] {
	moment := func(of func(wire.MovedEnd) *time.Time) func(wire.Request) cell {
		return func(r wire.Request) cell {
			if r.Extension == nil || of(*r.Extension) == nil {
				return cell{}
			}
			t := *of(*r.Extension)
			return cell{text: stamp(t), tty: s.clock(t)}
		}
	}
	return []column[wire.Request]{
		{name: "Now ends", cell: moment(func(e wire.MovedEnd) *time.Time { return e.EndsAt })},
		{name: "Will end", cell: moment(func(e wire.MovedEnd) *time.Time { return e.WouldEndAt })},
	}
}

// moreTime says what the approval of a request for more time would do; empty of
// any other.
func (s *session) moreTime(r wire.Request) cell {
	e := r.Extension
	if e == nil {
		if r.ExtendsID == "" {
			return cell{}
		}
		return text("of " + r.ExtendsID)
	}
	words := func(at func(*time.Time) string) string {
		said := "of " + r.ExtendsID + ": "
		switch {
		case e.EndsAt == nil:
			said += "now being set up, will last " + spell(time.Duration(e.Duration)) + " in all"
		case e.WouldEndAt == nil:
			said += "now ends " + at(e.EndsAt) + ", will not end by itself"
		default:
			said += "now ends " + at(e.EndsAt) + ", will end " + at(e.WouldEndAt)
		}
		if e.Capped {
			said += " (the policy allows no longer)"
		}
		return said
	}
	return cell{
		text: words(func(t *time.Time) string { return stamp(*t) }),
		tty:  words(func(t *time.Time) string { return s.clock(*t) }),
	}
}
