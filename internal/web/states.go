package web

import (
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/web/ui"
)

// requestState is how a request stands, as people see it.
func requestState(s access.RequestState) ui.State {
	switch s {
	case access.RequestWaiting:
		return ui.State{Word: "Waiting for approval", Icon: "clock", Tone: ui.Wait}
	case access.RequestApproved:
		return ui.State{Word: "Approved", Icon: "check", Tone: ui.Good}
	case access.RequestDenied:
		return ui.State{Word: "Denied", Icon: "x", Tone: ui.Bad}
	case access.RequestWithdrawn:
		return ui.State{Word: "Withdrawn", Icon: "undo-2", Tone: ui.Quiet}
	}
	return unknownState(string(s))
}

// grantState is how access stands, as people see it.
func grantState(s access.GrantState) ui.State {
	switch s {
	case access.GrantSettingUp:
		return ui.State{Word: "Setting up", Icon: "loader-circle", Tone: ui.Wait}
	case access.GrantActive:
		return ui.State{Word: "Active", Icon: "circle-check", Tone: ui.Good}
	case access.GrantNotSetUp:
		return ui.State{Word: "Not set up", Icon: "circle-x", Tone: ui.Bad}
	case access.GrantEnding:
		return ui.State{Word: "Ending", Icon: "loader-circle", Tone: ui.Wait}
	case access.GrantOverdue:
		return ui.State{Word: "Overdue to end", Icon: "triangle-alert", Tone: ui.Alarm}
	case access.GrantEnded:
		return ui.State{Word: "Ended", Icon: "circle-minus", Tone: ui.Quiet}
	}
	return unknownState(string(s))
}

func unknownState(s string) ui.State { return ui.State{Word: s, Icon: "circle-help", Tone: ui.Quiet} }

// lengthText is for how long somebody asks.
func lengthText(d time.Duration) string {
	if d == access.Indefinite {
		return "no end"
	}
	return ui.Length(d)
}
