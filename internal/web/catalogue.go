package web

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/web/ui"
)

func (s *site) cataloguePages() {
	s.get("/catalogue", anyone, s.catalogue)
	s.get("/roles/{id}/ask", anyone, s.askForm)
	s.get("/roles/{id}/ask/plan", anyone, s.askPlan)
	s.post("/roles/{id}/ask", anyone, s.fileRequest)
}

// appShelf is the roles of one app that can be asked for.
type appShelf struct {
	app    access.App
	offers []access.Offer
}

// catalogueList is the catalogue with its filter.
type catalogueList struct {
	dir     directory
	shelves []appShelf
	text    string
	all     int // roles, whatever the filter
	person  identity.PersonID
}

func (s *site) catalogue(r *Request) error {
	dir, err := s.directory(r.Context(), r.Actor)
	if err != nil {
		return err
	}
	offers, err := s.Access.Catalogue(r.Context(), r.Actor, "")
	if err != nil {
		return err
	}
	list := catalogueList{dir: dir, text: r.Value("q"), all: len(offers), person: r.Actor.Person}
	words := strings.Fields(strings.ToLower(list.text))
	for _, o := range offers {
		if !holdsAll(strings.ToLower(o.App.Name+" "+o.Role.Name+" "+o.Role.Description), words) {
			continue
		}
		if n := len(list.shelves); n == 0 || list.shelves[n-1].app.ID != o.App.ID {
			list.shelves = append(list.shelves, appShelf{app: o.App})
		}
		last := &list.shelves[len(list.shelves)-1]
		last.offers = append(last.offers, o)
	}
	return r.Page(ui.Head{Title: "Catalogue", Lead: "What you can ask for. Access begins when it is agreed and confirmed, and ends by itself."}, nil, catalogueView(list))
}

func holdsAll(text string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

// askSheet is the form of a request and what comes of it.
type askSheet struct {
	dir     directory
	offer   access.Offer
	person  identity.Person // whom it is for
	self    bool
	others  bool // the policy lets who asks ask for somebody else
	email   string
	length  string
	custom  string
	ends    time.Duration // the chosen length
	chosen  bool
	start   string // "now" or "later"
	starts  string
	from    time.Time
	reason  string
	present access.Proof // the role that was read last on the same site
	byHand  bool         // a person carries it out, no run
	errs    ui.Errors
}

func (s *site) askForm(r *Request) error { return s.showAsk(r, http.StatusOK, nil) }

func (s *site) askPlan(r *Request) error {
	sheet, err := s.sheet(r)
	if err != nil {
		return err
	}
	return r.Render(http.StatusOK, askPlanView(sheet))
}

func (s *site) showAsk(r *Request, status int, errs ui.Errors) error {
	sheet, err := s.sheet(r)
	if err != nil {
		return err
	}
	if errs != nil {
		sheet.errs = errs
	}
	if r.Method == http.MethodGet {
		sheet.errs = nil // nothing was sent yet
	}
	head := ui.Head{Title: "Ask for " + ui.Middle(sheet.offer.Role.Name, longName), Lead: sheet.offer.Role.Description, Back: []ui.Link{{Name: "Catalogue", Href: "/catalogue"}}}
	return r.PageAs(status, head, nil, askView(sheet))
}

// sheet reads what the form holds, or its beginning.
func (s *site) sheet(r *Request) (askSheet, error) {
	ctx := r.Context()
	sheet := askSheet{
		email: r.Value("for"), length: r.Value("length"), custom: r.Value("length_custom"), reason: r.Value("reason"),
		start: r.Value("start"), starts: r.Value("starts"), from: r.Now,
	}
	var err error
	if sheet.dir, err = s.directory(ctx, r.Actor); err != nil {
		return sheet, err
	}
	sheet.person = sheet.dir.people[r.Actor.Person]
	if id := r.Value("person"); id != "" && sheet.email == "" { // a link from somebody's page
		sheet.email = sheet.dir.people[identity.PersonID(id)].Email
	}
	if p, ok := sheet.dir.byEmail(sheet.email); ok {
		sheet.person = p
	} else if sheet.email != "" {
		sheet.errs = append(sheet.errs, ui.FieldError{Field: "for", Text: "There is nobody with this e-mail address."})
	}
	sheet.self = sheet.person.ID == r.Actor.Person
	if sheet.offer, err = s.offerOf(ctx, r.Actor, sheet.person.ID, access.RoleID(r.Thing("id"))); err != nil {
		return sheet, err
	}
	sheet.others = r.Actor.Administers() || sheet.offer.Policy.OnBehalf != access.OnBehalfNobody && sheet.offer.Policy.OnBehalf != ""
	s.fillTimes(r, &sheet)
	if sheet.byHand, err = s.byHand(ctx, sheet.offer.App.ID, sheet.offer.Role.ID); err != nil {
		return sheet, err
	}
	sheet.present, err = s.presentRole(ctx, r.Actor, sheet.person.ID, sheet.offer.App.Connection)
	return sheet, err
}

// byHand says whether a person carries out access to a role, and no run.
func (s *site) byHand(ctx context.Context, app access.AppID, role access.RoleID) (bool, error) {
	p, err := s.Access.Provisioning(ctx, app, role)
	if err == nil && p.Method == access.MethodInherit {
		p, err = s.Access.Provisioning(ctx, app, "")
	}
	return p.Method == access.MethodManual, err
}

// fillTimes reads how long and from when.
func (s *site) fillTimes(r *Request, sheet *askSheet) {
	if sheet.start == "" {
		sheet.start = "now"
	}
	if sheet.length == "" {
		usual := sheet.offer.Policy.Usual
		if usual == access.Indefinite {
			usual = sheet.offer.Policy.Longest
		}
		sheet.length = lengthValue(usual)
		sheet.ends, sheet.chosen = usual, true
	} else if l, err := r.lengthOf(); err == nil && l != nil {
		sheet.ends, sheet.chosen = *l, true
	}
	if at, err := r.startsAt(); err == nil && !at.IsZero() {
		sheet.from = at
	}
}

// startsAt is when the form wants the access to begin; zero is now.
func (r *Request) startsAt() (time.Time, error) {
	if r.Value("start") != "later" {
		return time.Time{}, nil
	}
	at, err := formTime("starts", r.Value("starts"))
	if err == nil && at.IsZero() {
		err = fault.Field("starts", "Say when it is to begin.")
	}
	if minutes, bad := strconv.Atoi(r.Value("starts_zone")); bad == nil && minutes > -24*60 && minutes < 24*60 {
		at = at.Add(-time.Duration(minutes) * time.Minute)
	}
	return at, err
}

func (d directory) byEmail(email string) (identity.Person, bool) {
	for _, p := range d.people {
		if email != "" && strings.EqualFold(p.Email, email) {
			return p, true
		}
	}
	return identity.Person{}, false
}

// offerOf is a role as the catalogue shows it.
func (s *site) offerOf(ctx context.Context, who identity.Actor, person identity.PersonID, id access.RoleID) (access.Offer, error) {
	offers, err := s.Access.Catalogue(ctx, who, person)
	if err != nil {
		return access.Offer{}, err
	}
	for _, o := range offers {
		if o.Role.ID == id {
			return o, nil
		}
	}
	return access.Offer{}, fault.New(fault.NotFound, "There is no role %s that can be asked for.", ui.Middle(string(id), longName)).WithCode("role_missing").
		WithHint("It may have been closed. The catalogue lists what can be asked for.")
}

// presentRole is what was last read of somebody on a site.
func (s *site) presentRole(ctx context.Context, who identity.Actor, person identity.PersonID, connection string) (access.Proof, error) {
	grants, err := s.Access.Grants(ctx, who, access.GrantFilter{Person: person, Connection: connection, Limit: 50})
	var last access.Proof
	for _, g := range grants {
		if g.Proof.At.After(last.At) {
			last = g.Proof
		}
	}
	return last, err
}

func (s *site) fileRequest(r *Request) error {
	length, err := r.lengthOf()
	if err == nil {
		var starts time.Time
		if starts, err = r.startsAt(); err == nil {
			return s.file(r, length, starts)
		}
	}
	if errs, ok := ui.ErrorsOf(err); ok {
		return s.showAsk(r, http.StatusUnprocessableEntity, errs)
	}
	return err
}

func (s *site) file(r *Request, length *time.Duration, starts time.Time) error {
	person := r.Actor.Person
	if email := r.Value("for"); email != "" {
		p, err := s.Identity.PersonByEmail(r.Context(), email)
		if fault.KindOf(err) == fault.NotFound {
			return s.showAsk(r, http.StatusUnprocessableEntity, nil)
		}
		if err != nil {
			return err
		}
		person = p.ID
	}
	req, err := s.Access.File(r.Context(), r.Actor, access.Ask{
		Role: access.RoleID(r.Thing("id")), Person: person, Length: length, Reason: r.Value("reason"), Starts: starts,
	})
	if errs, ok := ui.ErrorsOf(err); ok {
		return s.showAsk(r, http.StatusUnprocessableEntity, askFields(errs))
	}
	if err != nil {
		return err
	}
	return r.Done("/requests/"+string(req.ID), "Asked. This page follows what becomes of it.")
}

// askFields gives the errors of the rules the names of the form's fields.
func askFields(errs ui.Errors) ui.Errors {
	names := map[string]string{"duration": "length", "starts_at": "starts"}
	for i, e := range errs {
		if n, ok := names[e.Field]; ok {
			errs[i].Field = n
		}
	}
	return errs
}

// askCommand is the request as a command.
func askCommand(a askSheet) string {
	command := "margay request new " + shellWord(a.offer.App.Name+"/"+a.offer.Role.Name)
	if a.chosen {
		command += " --for " + shellWord(cliLength(a.ends))
	}
	if !a.self {
		command += " --person " + shellWord(a.person.Email)
	}
	return command + " --reason " + shellWord(cmp.Or(a.reason, "…")) + " --wait"
}

// cliLength is a length as the command line takes it.
func cliLength(d time.Duration) string {
	switch {
	case d == access.Indefinite:
		return "indefinite"
	case d%day == 0:
		return strconv.Itoa(int(d/day)) + "d"
	}
	return strings.TrimSuffix(strings.TrimSuffix(d.String(), "0s"), "0m")
}

// shellWord quotes a word for a shell, if it needs that.
func shellWord(text string) string {
	if text != "" && !strings.ContainsFunc(text, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("-_./@:=,+", c)
	}) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

func askHref(role access.RoleID) string { return "/roles/" + url.PathEscape(string(role)) + "/ask" }
