package access

import (
	"context"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

// Offer is one role as a person sees it in the catalogue.
type Offer struct {
	App     App
	Role    Role
	Policy  Policy // zero: none says who may have it, so nobody can ask
	Refusal *fault.Error
	Held    *Grant    // the live access that the person has of it; nil: none, or not to be seen
	Waiting RequestID // what the person has asked for already; "": nothing, or not to be seen
}

// Catalogue returns the roles that can be asked for, in the order of their apps,
// and says of each whether who may ask for it for the person ("": themselves).
func (s *Service) Catalogue(ctx context.Context, who identity.Actor, person identity.PersonID) (offers []Offer, err error) {
	if err := who.Need(identity.ScopeAccessRead); err != nil {
		return nil, err
	}
	if person == "" {
		person = who.Person
	}
	err = s.store.View(ctx, func(tx Reader) error {
		offers = nil
		if who, err = standing(ctx, tx, who); err != nil {
			return err
		}
		if err := enabled(ctx, tx, person); err != nil {
			return err
		}
		has, err := hasOf(ctx, tx, person)
		if err != nil {
			return err
		}
		apps, err := tx.Apps(ctx)
		if err != nil {
			return err
		}
		for _, app := range apps {
			roles, err := tx.Roles(ctx, app.ID)
			if err != nil {
				return err
			}
			for _, role := range roles {
				if role.Closed {
					continue
				}
				o, err := offer(ctx, tx, who, person, app, role)
				if err != nil {
					return err
				}
				if seesAccess(who, person, app) {
					o.Held, o.Waiting = has.held[role.ID], has.waiting[role.ID]
				}
				offers = append(offers, o)
			}
		}
		return nil
	})
	return offers, wrap("read the catalogue", err)
}

// seesAccess says whether who may see what the person has of app.
func seesAccess(who identity.Actor, person identity.PersonID, app App) bool {
	return Grant{Person: person}.visibleTo(who, app)
}

// has is what a person has and waits for, by role.
type has struct {
	held    map[RoleID]*Grant
	waiting map[RoleID]RequestID
}

func hasOf(ctx context.Context, tx Reader, person identity.PersonID) (has, error) {
	h := has{map[RoleID]*Grant{}, map[RoleID]RequestID{}}
	grants, err := tx.Grants(ctx, GrantFilter{Person: person, States: liveStates()})
	if err != nil {
		return h, err
	}
	for _, g := range grants {
		if h.held[g.Role] == nil {
			h.held[g.Role] = &g
		}
	}
	requests, err := tx.Requests(ctx, RequestFilter{State: RequestWaiting, For: person})
	for _, r := range requests {
		h.waiting[r.Role] = r.ID
	}
	return h, err
}

// offer says whether who may ask for the role.
func offer(ctx context.Context, tx Reader, who identity.Actor, person identity.PersonID, app App, role Role) (Offer, error) {
	o := Offer{App: app, Role: role}
	about, err := subjectOf(ctx, tx, role.ID, person)
	if err != nil && fault.Public(err).Code == "no_policy" {
		o.Refusal = fault.Public(err)
		return o, nil
	}
	if err != nil {
		return o, err
	}
	o.Policy = about.policy
	err = about.policy.mayAsk(who, person, app)
	if err == nil {
		err = about.eligible(ctx, tx)
	}
	switch {
	case err == nil:
		return o, nil
	case fault.KindOf(err) == fault.Forbidden:
		o.Refusal = fault.Public(err)
		return o, nil
	}
	return o, err
}

// Review is what somebody needs who decides on a request.
type Review struct {
	Request  Request
	App      App
	Role     Role
	Person   identity.Person
	Asker    identity.Person
	Deciders []identity.Person // who could decide the step that waits
	Next     *Next             // what follows when the one who asks approves; nil: nothing
	Refusal  *fault.Error      // why the one who asks may not decide it; nil: they may
	Live     []Grant           // what the person has now, of every app
	Similar  []Request         // the last decisions on the same role
	Comments []Comment
	Grant    *Grant     // how the access stands that came of it, without what only its readers see; nil: nothing yet
	Extends  *Extension // what its approval would do to the end of what the person has; nil: it asks for no more time
}

// mostSimilar is how many past decisions are shown.
const mostSimilar = 10

// Review returns a request with what its approvers need to know. What the person
// has elsewhere and what was decided for others is told to those alone who
// decide, own the app or administer.
func (s *Service) Review(ctx context.Context, who identity.Actor, id RequestID) (Review, error) {
	var v Review
	err := s.store.View(ctx, func(tx Reader) error {
		var err error
		v = Review{}
		if v.Request, err = tx.Request(ctx, id); err != nil {
			return err
		}
		if v.App, err = seen(ctx, tx, who, v.Request); err != nil {
			return err
		}
		if who, err = standing(ctx, tx, who); err != nil {
			return err
		}
		if v.Extends, err = s.extensionIn(ctx, tx, v.Request); err != nil {
			return err
		}
		err = v.read(ctx, tx, who)
		v.Request = v.Request.shownTo(who, v.App)
		return err
	})
	return v, wrap("read request for review", err)
}

func (v *Review) read(ctx context.Context, tx Reader, who identity.Actor) error {
	r := v.Request
	var err error
	if v.Role, err = tx.Role(ctx, r.Role); err != nil {
		return err
	}
	if v.Person, err = tx.Person(ctx, r.Person); err != nil {
		return err
	}
	if v.Asker, err = tx.Person(ctx, r.Requester); err != nil {
		return err
	}
	if v.Deciders, err = decidersOf(ctx, tx, r, v.App, mostDeciders); err != nil {
		return err
	}
	if v.Comments, err = tx.Comments(ctx, r.ID); err != nil {
		return err
	}
	if r.Grant != "" {
		g, err := tx.Grant(ctx, r.Grant)
		if err != nil {
			return err
		}
		v.Grant = new(g.outline())
	}
	if v.Next, err = nextOf(ctx, tx, r, v.App, who, v.Deciders); err != nil {
		return err
	}
	if err := r.mayDecide(who, v.App); err != nil {
		v.Refusal = fault.Public(err)
	}
	if !r.reviewedBy(who, v.App) {
		return nil
	}
	if v.Live, err = tx.Grants(ctx, GrantFilter{Person: r.Person, States: liveStates()}); err != nil {
		return err
	}
	for i, g := range v.Live { // of whatever app
		v.Live[i] = g.forItsPerson()
	}
	past, err := tx.Requests(ctx, RequestFilter{Role: r.Role, Limit: 5 * mostSimilar})
	for _, p := range past {
		if p.ID != r.ID && (p.State == RequestApproved || p.State == RequestDenied) && len(v.Similar) < mostSimilar {
			v.Similar = append(v.Similar, p.shownTo(who, v.App))
		}
	}
	return err
}

// reviewedBy says whether who sees r as one who decides, not as one who gains.
func (r Request) reviewedBy(who identity.Actor, app App) bool {
	if app.caredForBy(who) {
		return true
	}
	for _, s := range r.Policy.Steps {
		if s.admits(who, app, r) {
			return true
		}
	}
	return false
}
