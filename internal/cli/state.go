package cli

import "strings"

// state is how one state is shown: a sign, a word and a colour that say the
// same.
type state struct {
	sign, word string
	tint       tint
}

// states is the one vocabulary of states, by the code that the API has for each.
func states() map[string]state {
	return map[string]state{
		// requests
		"waiting_for_approval": {"◷", "Waiting for approval", warned},
		"approved":             {"✓", "Approved", good},
		"denied":               {"✗", "Denied", bad},
		"withdrawn":            {"↩", "Withdrawn", dim},
		"lapsed":               {"⌛", "Lapsed", dim},
		// grants
		"scheduled":       {"◷", "Scheduled", dim},
		"setting_up":      {"…", "Setting up", warned},
		"active":          {"✓", "Active", good},
		"not_set_up":      {"✗", "Not set up", bad},
		"changed_outside": {"≠", "Changed outside", bad},
		"ending":          {"…", "Ending", warned},
		"overdue_to_end":  {"!", "Overdue to end", bad},
		"ended":           {"■", "Ended", dim},
		// connections
		"healthy":         {"✓", "Healthy", good},
		"degraded":        {"!", "Degraded", warned},
		"needs_attention": {"✗", "Needs attention", bad},
		"paused":          {"‖", "Paused", dim},
		"never_checked":   {"◷", "Never checked", dim},
		// runs and steps
		"queued":     {"◷", "Queued", dim},
		"running":    {"…", "Running", warned},
		"done":       {"✓", "Done", good},
		"failed":     {"✗", "Failed", bad},
		"open":       {"◷", "To do", warned},
		"dropped":    {"↷", "Dropped", dim},
		"superseded": {"↷", "Superseded", dim},

		"retrying":        {"◷", "Retrying", warned},
		"waiting":         {"◷", "Waiting", dim},
		"outcome_unknown": {"?", "Outcome unknown", bad},
		"cancelled":       {"■", "Cancelled", dim},
		"crashed":         {"✗", "Crashed", bad},
		// batches and their rows
		"prepared":  {"◷", "Prepared", dim},
		"stopping":  {"…", "Stopping", warned},
		"stopped":   {"■", "Stopped", bad},
		"ready":     {"◷", "To be done", dim},
		"left_out":  {"↷", "Left out", dim},
		"refused":   {"✗", "Not done", bad},
		"not_begun": {"■", "Not begun", dim},
	}
}

// stateCell is a cell with a state: its word to a pipe, sign and word on a
// screen. A state of a newer server is shown as it came.
func stateCell(code string) cell {
	st, ok := states()[code]
	if !ok {
		return text(strings.ReplaceAll(code, "_", " "))
	}
	return cell{text: st.word, tty: st.sign + " " + st.word, tint: st.tint}
}

// yes is a cell with a truth.
func yesCell(b bool) cell {
	if b {
		return text("yes")
	}
	return text("no")
}
