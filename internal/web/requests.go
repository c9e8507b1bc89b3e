package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/web/ui"
)

func (s *site) requestPages() {
	s.get("/requests", anyone, s.requests)
	s.get("/requests/{id}", anyone, s.requestPage)
	s.get("/requests/{id}/timeline", anyone, s.exportTimeline)
	s.post("/requests/{id}/comment", anyone, s.comment)
	s.get("/requests/{id}/withdraw", anyone, s.askWithdraw)
	s.post("/requests/{id}/withdraw", anyone, s.withdraw)
}

// stateStuck is the filter of requests that nobody may decide at present.
const stateStuck = "nobody_decides"

// pageRows is how many rows a page of a list has.
const pageRows = 50

// requestList is the list of requests with its filters.
type requestList struct {
	dir      directory
	requests []access.Request
	state    access.RequestState
	mine     bool
	next     string
	filtered bool
}

func (s *site) requests(r *Request) error {
	list := requestList{state: access.RequestState(r.Value("state")), mine: r.Value("whose") != "all", filtered: r.URL.RawQuery != ""}
	var err error
	if list.dir, err = s.directory(r.Context(), r.Actor); err != nil {
		return err
	}
	f := access.RequestFilter{State: list.state, Limit: pageRows + 1, Before: access.RequestID(r.Value("before"))}
	if list.state == stateStuck {
		f.State, f.Stuck, list.mine = access.RequestWaiting, true, false
	}
	if list.mine {
		f.Person = r.Actor.Person
	}
	if list.requests, err = s.Access.Requests(r.Context(), r.Actor, f, false); err != nil {
		return err
	}
	if len(list.requests) > pageRows {
		list.requests = list.requests[:pageRows]
		list.next = withQuery(r.URL, "before", string(list.requests[pageRows-1].ID))
	}
	return r.Page(ui.Head{Title: "Requests", Lead: "What was asked for, and what became of it."}, nil, requestsView(list))
}

// withQuery is the page's address with one value of its query changed; "" drops it.
func withQuery(u *url.URL, key, value string) string {
	q := u.Query()
	q.Set(key, value)
	if value == "" {
		q.Del(key)
	}
	if len(q) == 0 {
		return u.Path
	}
	return u.Path + "?" + q.Encode()
}

// requestSheet is one request with all that the page shows.
type requestSheet struct {
	dir      directory
	review   access.Review
	grant    *access.Grant // what came of it; nil: nothing yet, or not to be seen
	trail    trail
	acts     []access.Possible
	grants   []access.Possible // on the grant
	errs     ui.Errors
	text     string // of the comment
	self     bool
	external *url.URL
}

// state is how the whole thing stands: the access, once there is some.
func (v requestSheet) state() (ui.State, access.StateText) {
	if v.grant != nil {
		return grantState(v.grant.State), v.grant.State.Text()
	}
	return requestState(v.review.Request.State), v.review.Request.State.Text()
}

// link is where others find the page.
func (v requestSheet) link() string {
	path := "/requests/" + string(v.review.Request.ID)
	if v.external == nil {
		return path
	}
	return strings.TrimSuffix(v.external.String(), "/") + path
}

func (s *site) requestPage(r *Request) error { return s.showRequest(r, http.StatusOK, nil, "") }

func (s *site) showRequest(r *Request, status int, errs ui.Errors, text string) error {
	sheet, err := s.requestSheet(r)
	if err != nil {
		return err
	}
	sheet.errs, sheet.text = errs, text
	q := sheet.review.Request
	head := ui.Head{Title: ui.Middle(q.RoleName, longName) + " in " + ui.Middle(sheet.review.App.Name, longName), Back: []ui.Link{{Name: "Requests", Href: "/requests"}}}
	return r.PageAs(status, head, nil, requestView(sheet))
}

func (s *site) requestSheet(r *Request) (requestSheet, error) {
	ctx, id := r.Context(), access.RequestID(r.Thing("id"))
	sheet := requestSheet{external: s.External}
	var err error
	if sheet.review, err = s.Access.Review(ctx, r.Actor, id); err != nil {
		return sheet, err
	}
	if sheet.dir, err = s.directory(ctx, r.Actor); err != nil {
		return sheet, err
	}
	q := sheet.review.Request
	sheet.self = q.Person == r.Actor.Person
	if sheet.acts, err = s.Access.RequestActs(ctx, r.Actor, id); err != nil {
		return sheet, err
	}
	if q.Grant != "" {
		g, err := s.Access.Grant(ctx, r.Actor, q.Grant)
		switch {
		case err == nil:
			sheet.grant = &g
			if sheet.grants, err = s.Access.GrantActs(ctx, r.Actor, g.ID); err != nil {
				return sheet, err
			}
		case fault.KindOf(err) != fault.NotFound:
			return sheet, err
		default: // who decided reads how it stands, and may do nothing with it
			sheet.grant = sheet.review.Grant
		}
	}
	sheet.trail, err = s.trailOf(ctx, r.Actor, sheet.dir, q)
	return sheet, err
}

func (s *site) comment(r *Request) error {
	id := access.RequestID(r.Thing("id"))
	_, err := s.Access.Comment(r.Context(), r.Actor, id, r.Value("text"))
	if errs, ok := ui.ErrorsOf(err); ok {
		return s.showRequest(r, http.StatusUnprocessableEntity, errs, r.Value("text"))
	}
	if err != nil {
		return err
	}
	to := "/requests/" + string(id)
	if r.Value("back") == "review" {
		to = "/approvals/" + string(id)
	}
	return r.Done(to, "Your comment is there.")
}

func (s *site) withdrawQuestion(r *Request) (ui.Question, error) {
	q, err := s.Access.Request(r.Context(), r.Actor, access.RequestID(r.Thing("id")))
	return ui.Question{
		ID: "withdraw", Title: "Withdraw this request?", Effect: "Nobody needs to decide on " + q.RoleName + " any more, and no access comes of it. You can ask again.",
		Action: "/requests/" + string(q.ID) + "/withdraw", Button: "Withdraw request", Busy: "Withdrawing…", Back: "/requests/" + string(q.ID),
		Command: "margay request withdraw " + string(q.ID),
	}, err
}

func (s *site) askWithdraw(r *Request) error {
	q, err := s.withdrawQuestion(r)
	if err != nil {
		return err
	}
	return r.Page(ui.Head{Title: q.Title, Back: []ui.Link{{Name: "Request", Href: q.Back}}}, nil, ui.AskPage(q))
}

func (s *site) withdraw(r *Request) error {
	q, err := s.Access.Withdraw(r.Context(), r.Actor, access.RequestID(r.Thing("id")))
	if err != nil {
		return err
	}
	return r.Done("/requests/"+string(q.ID), "The request is withdrawn.")
}

// exported is a timeline as an auditor takes it away: with the hashes that tie
// each event to the audit log.
type exported struct {
	Request  access.RequestID `json:"request"`
	Grant    access.GrantID   `json:"grant,omitempty"`
	Person   string           `json:"person"`
	Email    string           `json:"email"`
	App      string           `json:"app"`
	Role     string           `json:"role"`
	State    string           `json:"state"`
	Policy   string           `json:"policy"`
	Version  int              `json:"policy_version"`
	Made     string           `json:"exported_at"`
	Timeline []exportedEvent  `json:"timeline"`
}

type exportedEvent struct {
	Number int64             `json:"number"`
	At     string            `json:"at"`
	Kind   string            `json:"kind"`
	By     string            `json:"by"`
	ByID   string            `json:"by_id"`
	About  string            `json:"about"`
	Data   map[string]string `json:"data,omitempty"`
	Hash   string            `json:"hash"`
	Before string            `json:"hash_before"`
}

const exportTime = "2006-01-02T15:04:05.000Z07:00"

func (s *site) exportTimeline(r *Request) error {
	sheet, err := s.requestSheet(r)
	if err != nil {
		return err
	}
	q := sheet.review.Request
	_, state := sheet.state()
	out := exported{
		Request: q.ID, Grant: q.Grant, Person: sheet.review.Person.Name, Email: sheet.review.Person.Email, App: sheet.review.App.Name, Role: q.RoleName,
		State: state.Code, Policy: q.Policy.Name, Version: q.Policy.Version, Made: r.Now.UTC().Format(exportTime), Timeline: []exportedEvent{},
	}
	for _, e := range sheet.trail.events {
		out.Timeline = append(out.Timeline, exportedEvent{
			Number: e.Seq, At: e.At.UTC().Format(exportTime), Kind: string(e.Kind), By: sheet.dir.actor(e.Actor), ByID: e.Actor, About: e.Subject, Data: e.Data, Hash: e.Hash, Before: e.Prev,
		})
	}
	b, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return err
	}
	return r.Download("margay-"+string(q.ID)+".json", "application/json", b)
}

// Download answers with a file.
func (r *Request) Download(name, kind string, content []byte) error {
	r.w.Header().Set("Content-Type", kind+"; charset=utf-8")
	r.w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	return r.send(http.StatusOK, content)
}

// asked is what the workflow of the waiting step was asked, or nil.
func (v requestSheet) asked() *access.Asked {
	q := v.review.Request
	i := slices.IndexFunc(q.Asked, func(a access.Asked) bool { return a.Step == q.WaitingStep() })
	if i < 0 {
		return nil
	}
	return &q.Asked[i]
}

// deciding says in words for whom a waiting request waits.
func (v requestSheet) deciding() string {
	if v.review.Request.State != access.RequestWaiting {
		return ""
	}
	var names []string
	for _, p := range v.review.Deciders {
		names = append(names, short(p.Name))
	}
	if a := v.asked(); a != nil && a.Answered.IsZero() {
		return "A workflow is asked for the decision."
	} else if a != nil && a.Problem.Message != "" {
		return "The workflow that decides could not: " + a.Problem.Message + " An owner of the app or an administrator can ask it again."
	}
	if len(names) == 0 {
		return "At present nobody can decide it: an administrator can name another owner of the app, or add somebody to the group that decides. A change of the policy is for later requests."
	}
	text := "Waits for " + either(names)
	if n := len(v.review.Request.Policy.Steps); n > 1 {
		text += fmt.Sprintf(", step %d of %d", v.review.Request.WaitingStep()+1, n)
	}
	return text + "."
}

// actLinks are the buttons of the request page, in the order of the states' table.
func (v requestSheet) actLinks() []actLink {
	var list []actLink
	id := url.PathEscape(string(v.review.Request.ID))
	for _, p := range v.acts {
		href := map[string]string{
			access.ActApprove.Code: "/approvals/" + id, access.ActWithdraw.Code: "/requests/" + id + "/withdraw",
			access.ActAskAgain.Code: askHref(v.review.Request.Role),
		}[p.Act.Code]
		label := p.Act.Label
		if p.Act == access.ActApprove {
			label = "Decide on request"
		}
		if href != "" {
			list = append(list, actLink{possible: p, label: label, href: href})
		}
	}
	if v.grant == nil {
		return list
	}
	list = slices.DeleteFunc(list, func(a actLink) bool { return a.possible.Act == access.ActAskAgain })
	return append(list, grantLinks(*v.grant, v.grants)...)
}

// actLink is a button that leads to an act.
type actLink struct {
	possible access.Possible
	label    string
	href     string
	danger   bool
}

func (a actLink) variant() string {
	switch {
	case a.danger:
		return "destructive"
	case a.possible.Act == access.ActRetry: // what mends it comes first
		return ""
	}
	return "outline"
}

// grantLinks are the buttons of a grant.
func grantLinks(g access.Grant, acts []access.Possible) []actLink {
	var list []actLink
	id := url.PathEscape(string(g.ID))
	for _, p := range acts {
		switch p.Act {
		case access.ActSeeRun, access.ActSeeGrant:
		case access.ActAskAgain:
			list = append(list, actLink{possible: p, label: p.Act.Label, href: askHref(g.Role)})
		default:
			if _, ok := grantActs[p.Act.Code]; !ok {
				continue
			}
			list = append(list, actLink{possible: p, label: p.Act.Label, href: "/access/" + id + "/" + p.Act.Code, danger: p.Act == access.ActRevoke})
		}
	}
	return list
}

// refusals are why acts are not to be done, once each.
func refusals(acts []actLink) []string {
	var list []string
	for _, a := range acts {
		if a.possible.Refusal != nil {
			if text := a.label + ": " + a.possible.Refusal.Message; !slices.Contains(list, text) {
				list = append(list, text)
			}
		}
	}
	return list
}

// owns says whether somebody owns an app, by name or by a group.
func (d directory) owns(who identity.PersonID, a access.App) bool {
	return slices.Contains(a.Owners, who) || slices.ContainsFunc(a.OwnerGroups, func(g identity.GroupID) bool {
		return slices.Contains(d.groups[g].Members, who)
	})
}
