package access

import (
	"slices"
	"strings"
)

// The acts on grants.
var (
	ActExtend  = Act{"extend", "Ask for more time"}
	ActReduce  = Act{"reduce", "Shorten access"}
	ActRevoke  = Act{"revoke", "End access now"}
	ActRetry   = Act{"retry", "Try again"}
	ActAccept  = Act{"accept", "Keep what was changed"}
	ActRestore = Act{"restore", "Restore access"}
	ActSeeRun  = Act{"see_run", "See what is being done"}
)

// GrantStates is the table of the states of a grant, in the order of its life.
func GrantStates() []StateText {
	return []StateText{
		{
			string(GrantScheduled), "Scheduled", "The access is agreed and begins at its time.",
			[]Act{ActReduce, ActRevoke},
		},
		{
			string(GrantSettingUp), "Setting up", "The access is agreed and is being set up. Its time begins when it is there.",
			[]Act{ActSeeRun, ActExtend, ActReduce, ActRevoke},
		},
		{
			string(GrantActive), "Active", "The access is there: the other system confirmed it.",
			[]Act{ActExtend, ActReduce, ActRevoke},
		},
		{
			string(GrantNotSetUp), "Not set up", "The access could not be set up. The problem says why, and whether it is tried again by itself.",
			[]Act{ActRetry, ActRevoke, ActSeeRun},
		},
		{
			string(GrantChanged), "Changed outside", "Somebody changed this in the other system. It is left alone until a person decides.",
			[]Act{ActAccept, ActRestore, ActReduce, ActRevoke},
		},
		{
			string(GrantEnding), "Ending", "The access is over and is being taken back.",
			[]Act{ActSeeRun},
		},
		{
			string(GrantOverdue), "Overdue to end", "The access is over and could not be taken back: it may still be there. It is tried again without end.",
			[]Act{ActRetry, ActSeeRun},
		},
		{
			string(GrantEnded), "Ended", "The access has ended.",
			[]Act{ActAskAgain},
		},
	}
}

// Text returns what is told of the state.
func (s GrantState) Text() StateText { return textOf(GrantStates(), string(s)) }

// plain is the state in the middle of a sentence: "setting up".
func (s GrantState) plain() string { return strings.ToLower(s.Text().Word) }

// GrantStatesFor returns the states of grants in which the act is possible.
func GrantStatesFor(act Act) []GrantState {
	var states []GrantState
	for _, t := range GrantStates() {
		if slices.Contains(t.Next, act) {
			states = append(states, GrantState(t.Code))
		}
	}
	return states
}
