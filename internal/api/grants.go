package api

import (
	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/api/wire"
)

func lifeOf(g access.Grant) wire.GrantLife {
	text := g.State.Text()
	out := wire.GrantLife{
		Sentence: text.Sentence, Next: []wire.Act{}, BeginsAt: timeOrNil(g.BeginsAt), NextTryAt: timeOrNil(g.NextTry),
		NextRunID: g.Next, FailedRunID: g.Problem.Run, TaskID: string(g.Task),
	}
	for _, a := range text.Next {
		out.Next = append(out.Next, wire.Act(a))
	}
	if g.State == access.GrantOverdue {
		out.OverdueSince = timeOrNil(g.ChangeAt)
	}
	if !g.Outside.At.IsZero() {
		out.ChangedOutside = &wire.ChangedOutside{Expected: g.Outside.Expected, Found: g.Outside.Found, At: g.Outside.At}
	}
	if !g.SetUp.At.IsZero() {
		out.SetUp = &wire.Proof{SiteRole: g.SetUp.Role, Note: g.SetUp.Note, At: g.SetUp.At}
	}
	return out
}
