package access

import (
	"slices"

	"github.com/margay-access/margay/internal/identity"
)

// Who asks reads why something failed in a sentence, with what to do next. What
// the other system or a program said of it names machines and other people: it is
// for those who can do something about it, the owners of the app and
// administrators. Every method of the service that gives a grant or a request to
// somebody gives it as it is shown to them.

// caredForBy says whether who sees all of the app's requests and access.
func (a App) caredForBy(who identity.Actor) bool {
	return who.Admin || who.IsSystem() || a.ownedBy(who)
}

// forItsPerson is g as whom it is for sees it.
func (g Grant) forItsPerson() Grant {
	g.Problem.Detail = ""
	return g
}

// shownTo is g as who sees it, who may see it.
func (g Grant) shownTo(who identity.Actor, app App) Grant {
	if app.caredForBy(who) {
		return g
	}
	return g.forItsPerson()
}

// forItsPerson is r as who asked sees it.
func (r Request) forItsPerson() Request {
	r.Asked = slices.Clone(r.Asked)
	for i := range r.Asked {
		r.Asked[i].Problem.Detail = ""
	}
	return r
}

// shownTo is r as who sees it, who may see it.
func (r Request) shownTo(who identity.Actor, app App) Request {
	if app.caredForBy(who) {
		return r
	}
	return r.forItsPerson()
}

// whole says whether what is of the app is seen with all that is known of it: nil
// sees everything so.
func (s *Seen) whole(app AppID) bool { return s == nil || slices.Contains(s.Apps, app) }

// shown are grants that were read for somebody as they see them.
func (s *Seen) shown(grants []Grant) []Grant {
	for i, g := range grants {
		if !s.whole(g.App) {
			grants[i] = g.forItsPerson()
		}
	}
	return grants
}
