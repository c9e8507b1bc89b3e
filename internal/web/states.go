package web

import (
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/web/ui"
)

// look is how a state looks; its word comes from the table of its kind.
type look struct {
	icon string
	tone ui.Tone
}

var requestLooks = map[access.RequestState]look{
	access.RequestWaiting:   {"clock", ui.Wait},
	access.RequestApproved:  {"check", ui.Good},
	access.RequestDenied:    {"x", ui.Bad},
	access.RequestWithdrawn: {"undo-2", ui.Quiet},
	access.RequestLapsed:    {"hourglass", ui.Quiet},
}

var grantLooks = map[access.GrantState]look{
	access.GrantScheduled: {"calendar-clock", ui.Wait},
	access.GrantSettingUp: {"loader-circle", ui.Wait},
	access.GrantActive:    {"circle-check", ui.Good},
	access.GrantNotSetUp:  {"circle-x", ui.Bad},
	access.GrantChanged:   {"git-compare", ui.Warn},
	access.GrantEnding:    {"loader-circle", ui.Wait},
	access.GrantOverdue:   {"triangle-alert", ui.Alarm},
	access.GrantEnded:     {"circle-minus", ui.Quiet},
}

// requestState is how a request stands, as people see it.
func requestState(s access.RequestState) ui.State { return stateOf(s.Text(), requestLooks[s]) }

// grantState is how access stands, as people see it.
func grantState(s access.GrantState) ui.State { return stateOf(s.Text(), grantLooks[s]) }

func stateOf(t access.StateText, l look) ui.State {
	if l.icon == "" {
		l = look{"circle-help", ui.Quiet}
	}
	return ui.State{Word: t.Word, Icon: l.icon, Tone: l.tone}
}

// lengthText is for how long somebody asks.
func lengthText(d time.Duration) string {
	if d == access.Indefinite {
		return "no end"
	}
	return ui.Length(d)
}

// unknownState is one that this version has no words for.
func unknownState(s string) ui.State { return ui.State{Word: s, Icon: "circle-help", Tone: ui.Quiet} }
