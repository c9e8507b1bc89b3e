// Package ui is what pages are made of: the frame around them and the parts that
// they share, as templ components.
//
// It holds no rule, calls no service and knows no address but those that it is
// given. Everything that a part needs of the request (the time, the person, the
// menu) is in the [Env] of its context, which package web puts there.
package ui

import (
	"context"
	"time"
)

// Env is what parts know of the request.
type Env struct {
	Now       time.Time
	RequestID string
	Path      string // of the page, for the menu
	Address   string // of the page, with its query
	Theme     Theme
	Pulse     string // from before the page was read: its live parts ask for what changed since
	KeysOff   bool   // single keys do nothing
	Version   string

	SignedIn bool
	Name     string // of the person
	Email    string
	Nav      []NavGroup
	Notices  []Notice // from the page before
}

// Theme is how pages look.
type Theme string

// The themes.
const (
	System Theme = "system" // as the machine says
	Light  Theme = "light"
	Dark   Theme = "dark"
)

// NavGroup is a part of the menu; the first has no name.
type NavGroup struct {
	Name  string
	Links []NavLink
}

// NavLink is one place of the menu.
type NavLink struct {
	Name, Href, Icon string
	Key              string // g and this letter go there
	Phone            bool   // in the bar at the bottom; the others are behind "More"
	Current          bool
	Count            int // things that wait there; 0 shows nothing
}

type envKey struct{}

// With returns a context that holds env.
func With(ctx context.Context, env Env) context.Context {
	return context.WithValue(ctx, envKey{}, env)
}

// From returns the env of a context.
func From(ctx context.Context) Env {
	env, _ := ctx.Value(envKey{}).(Env)
	return env
}

// phoneLinks are the links of the bar at the bottom; moreLinks the others.
func phoneLinks(env Env) (bar, more []NavLink) {
	for _, g := range env.Nav {
		for _, l := range g.Links {
			if l.Phone && len(bar) < 4 {
				bar = append(bar, l)
			} else {
				more = append(more, l)
			}
		}
	}
	return bar, more
}

// Link leads somewhere.
type Link struct{ Name, Href string }

// Head is what stands on top of a page.
type Head struct {
	Title string
	Lead  string // one sentence below it
	Back  []Link // the way here: "Connections"
	Beta  string // what may change; shows the badge
}

// Tone is the meaning of a colour. It never stands alone: an icon and a word are
// beside it.
type Tone string

// The tones.
const (
	Good  Tone = "good"  // as it should be
	Wait  Tone = "wait"  // under way, or somebody's turn
	Warn  Tone = "warn"  // look at it
	Bad   Tone = "bad"   // failed
	Alarm Tone = "alarm" // failed, and it matters that it stays so
	Quiet Tone = "quiet" // over, or nothing to say
)

// State is how a thing stands, as people see it.
type State struct {
	Word string
	Icon string
	Tone Tone
}

// Notice is a message on a page.
type Notice struct {
	Tone Tone   `json:"t"`
	Text string `json:"m"`
}

func (n Notice) icon() string {
	switch n.Tone {
	case Good:
		return "circle-check"
	case Warn:
		return "triangle-alert"
	case Bad, Alarm:
		return "circle-alert"
	default:
		return "info"
	}
}
