package tableau

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/integration"
	"github.com/margay-access/margay/tableau"
)

// siteOut is a site as workflows see it.
type siteOut struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	ContentURL string     `json:"contentUrl"`
	Users      *int       `json:"users"`
	StorageMB  *int       `json:"storageMb"`
	Seats      []seatsOut `json:"seats"`
}

type seatsOut struct {
	Tier     string `json:"tier"`
	Capacity *int   `json:"capacity"`
	Used     *int   `json:"used"`
	Left     *int   `json:"left"`
}

// told is nil for what Tableau did not say.
func told(n int) *int {
	if n < 0 {
		return nil
	}
	return &n
}

func getSite(ctx context.Context, c integration.Client, _ struct{}) (siteOut, error) {
	t, err := of(c)
	if err != nil {
		return siteOut{}, err
	}
	s, err := t.Site(traced(ctx))
	if err != nil {
		return siteOut{}, meaning(err)
	}
	out := siteOut{ID: s.ID, Name: s.Name, ContentURL: s.ContentURL, Users: told(s.Users), StorageMB: told(s.StorageMB), Seats: []seatsOut{}}
	for _, seats := range s.Seats {
		o := seatsOut{Tier: seats.Tier, Capacity: told(seats.Capacity), Used: told(seats.Used)}
		if o.Capacity != nil && o.Used != nil {
			o.Left = new(max(seats.Capacity-seats.Used, 0))
		}
		out.Seats = append(out.Seats, o)
	}
	return out, nil
}

type projectOut struct {
	ID          string  `json:"id"`
	Name        string  `json:"name"`
	Description string  `json:"description"`
	ParentID    *string `json:"parentId"`
	OwnerID     string  `json:"ownerId"`
}

type projectsIn struct {
	Limit int `json:"limit"`
}

func listProjects(ctx context.Context, c integration.Client, in projectsIn) ([]projectOut, error) {
	t, err := of(c)
	if err != nil {
		return nil, err
	}
	return collect(t.Projects(traced(ctx), nil), in.Limit, nil, func(p tableau.Project) projectOut {
		out := projectOut{ID: p.ID, Name: p.Name, Description: p.Description, OwnerID: p.OwnerID}
		if p.ParentID != "" {
			out.ParentID = &p.ParentID
		}
		return out
	})
}

// kinds are the kinds of content that have an owner, with the last part of
// their path.
var kinds = map[string]string{"workbook": "workbooks", "datasource": "datasources", "flow": "flows", "project": "projects"}

func segment(kind string) (string, error) {
	if s, ok := kinds[kind]; ok {
		return s, nil
	}
	return "", fault.New(fault.Invalid, "%q is no kind of content that has an owner: it is one of workbook, datasource, flow and project.", kind).WithCode("bad_request")
}

// contentOut is a piece of content as workflows see it.
type contentOut struct {
	Type      string     `json:"type"`
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	OwnerID   string     `json:"ownerId"`
	ProjectID *string    `json:"projectId"`
	UpdatedAt *time.Time `json:"updatedAt"`
}

// wireContent is a piece of content as Tableau sends it.
type wireContent struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	UpdatedAt time.Time `json:"updatedAt"`
	Owner     struct {
		ID string `json:"id"`
	} `json:"owner"`
	Project struct {
		ID string `json:"id"`
	} `json:"project"`
	ParentID string `json:"parentProjectId"`
}

func (w wireContent) out(kind string) contentOut {
	o := contentOut{Type: kind, ID: w.ID, Name: w.Name, OwnerID: w.Owner.ID}
	for _, id := range []string{w.Project.ID, w.ParentID} {
		if id != "" && o.ProjectID == nil {
			o.ProjectID = &id
		}
	}
	if !w.UpdatedAt.IsZero() {
		o.UpdatedAt = new(w.UpdatedAt.UTC())
	}
	return o
}

type contentIn struct {
	Type    string `json:"type"`
	OwnerID string `json:"ownerId"`
	Limit   int    `json:"limit"`
}

// listContent reads the site's content of one kind. The owner is compared here:
// Tableau's own filters know an owner by the name, which may change.
func listContent(ctx context.Context, c integration.Client, in contentIn) ([]contentOut, error) {
	t, err := of(c)
	if err != nil {
		return nil, err
	}
	kind, err := segment(in.Type)
	if err != nil {
		return nil, err
	}
	seq := t.Paginate(traced(ctx), tableau.Request{Method: http.MethodGet, Path: "/sites/{siteId}/" + kind, Query: url.Values{"pageSize": {"1000"}}})
	items := func(yield func(contentOut, error) bool) {
		for raw, err := range seq {
			var w wireContent
			if err == nil && json.Unmarshal(raw, &w) != nil {
				err = fault.New(fault.Upstream, "Tableau listed %s in a form that is not known.", kind).WithCode(string(tableau.ClassNotTableau))
			}
			if !yield(w.out(in.Type), err) || err != nil {
				return
			}
		}
	}
	keep := func(o contentOut) bool { return in.OwnerID == "" || o.OwnerID == in.OwnerID }
	return collect(items, in.Limit, keep, func(o contentOut) contentOut { return o })
}

type ownerIn struct {
	Type    string `json:"type"`
	ID      string `json:"id"`
	OwnerID string `json:"ownerId"`
}

type ownerOut struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Before  string `json:"before"`
	OwnerID string `json:"ownerId"`
	Changed bool   `json:"changed"`
	Held    bool   `json:"heldBack,omitempty"`
}

// setOwner gives content another owner and returns whose Tableau says it is
// then. It reads before it writes.
func setOwner(ctx context.Context, c integration.Client, in ownerIn, guard integration.Guard) (ownerOut, error) {
	t, err := of(c)
	if err != nil {
		return ownerOut{}, err
	}
	kind, err := segment(in.Type)
	if err != nil {
		return ownerOut{}, err
	}
	if in.ID == "" || in.OwnerID == "" {
		return ownerOut{}, fault.New(fault.Invalid, "The content and its new owner are needed, by id.").WithCode("bad_request")
	}
	o := owned{t: t, in: in, path: "/sites/{siteId}/" + kind + "/" + url.PathEscape(in.ID)}
	before, err := o.read(traced(ctx))
	if err != nil {
		return ownerOut{}, err
	}
	out := ownerOut{ID: in.ID, Name: before.Name, Before: before.Owner.ID, OwnerID: before.Owner.ID}
	if before.Owner.ID == in.OwnerID {
		return out, nil
	}
	out.OwnerID, out.Changed, out.Held = in.OwnerID, true, true
	change := integration.Change{
		What: "owner of the " + in.Type + " " + before.Name, Before: before.Owner.ID, After: in.OwnerID, Method: http.MethodPut, Path: o.path,
	}
	return write(ctx, guard, change, out, func(ctx context.Context) (ownerOut, error) {
		out := out
		out.Held = false
		return out, o.set(ctx, before.Name)
	})
}

// owned is a piece of content whose owner is set.
type owned struct {
	t    *tableau.Client
	in   ownerIn
	path string
}

// read returns the content. Projects can be listed only.
func (o owned) read(ctx context.Context) (wireContent, error) {
	missing := fault.New(fault.Upstream, "There is no %s %s on the site.", o.in.Type, o.in.ID).WithCode("content_missing")
	if o.in.Type == "project" {
		for p, err := range o.t.Projects(ctx, nil) {
			if err != nil {
				return wireContent{}, meaning(err)
			}
			if p.ID == o.in.ID {
				w := wireContent{ID: p.ID, Name: p.Name}
				w.Owner.ID = p.OwnerID
				return w, nil
			}
		}
		return wireContent{}, missing
	}
	resp, err := o.t.Do(ctx, tableau.Request{Method: http.MethodGet, Path: o.path})
	if err != nil {
		return wireContent{}, meaning(err)
	}
	if resp.Status == http.StatusNotFound {
		return wireContent{}, missing
	}
	return o.decode(resp)
}

func (o owned) decode(resp *tableau.Response) (wireContent, error) {
	if err := resp.Err(); err != nil {
		return wireContent{}, meaning(err)
	}
	var body map[string]wireContent
	if err := json.Unmarshal(resp.Body, &body); err != nil || body[o.in.Type].ID == "" {
		return wireContent{}, fault.New(fault.Upstream, "Tableau answered without the %s that was asked for.", o.in.Type).WithCode(string(tableau.ClassNotTableau))
	}
	return body[o.in.Type], nil
}

// set sends the change and reads back what came of it, unless Tableau refused.
func (o owned) set(ctx context.Context, name string) error {
	body, err := json.Marshal(map[string]any{o.in.Type: map[string]any{"owner": map[string]string{"id": o.in.OwnerID}}})
	if err != nil {
		return err
	}
	resp, err := o.t.Do(ctx, tableau.Request{Method: http.MethodPut, Path: o.path, Body: body})
	if err == nil && resp.Status >= http.StatusBadRequest && resp.Status < http.StatusInternalServerError {
		return meaning(resp.Err())
	}
	if err != nil && !doubtful(err) {
		return meaning(err)
	}
	after, failed := o.read(ctx)
	switch {
	case failed != nil:
		return unknown(errors.Join(err, failed), "Tableau was asked to give the %s %s another owner, and whether it did is not known yet.", o.in.Type, name)
	case after.Owner.ID == o.in.OwnerID:
		return nil
	case err != nil:
		return meaning(err)
	case resp.Err() != nil:
		return meaning(resp.Err())
	}
	return fault.New(fault.Upstream, "The owner of the %s %s is %s, not %s as asked for.", o.in.Type, name, after.Owner.ID, o.in.OwnerID).WithCode(string(tableau.ClassDrift))
}

// doubtful says whether a call may have been carried out although it failed.
func doubtful(err error) bool {
	_, noAnswer := errors.AsType[*tableau.NoAnswerError](err)
	_, strange := errors.AsType[*tableau.NotTableauError](err)
	_, tooLarge := errors.AsType[*tableau.TooLargeError](err)
	return noAnswer || strange || tooLarge
}

type usageOut struct {
	Type         string `json:"type"`
	ID           string `json:"id"`
	Total        int    `json:"total"`
	TwoWeeks     int    `json:"lastTwoWeeks"`
	OneMonth     int    `json:"lastMonth"`
	ThreeMonths  int    `json:"lastThreeMonths"`
	TwelveMonths int    `json:"lastTwelveMonths"`
}

// refIn is content as workflows name it.
type refIn struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

type usagesIn struct {
	Items []refIn `json:"items"`
}

// usageOf reads how often content was viewed. What Tableau does not know is
// missing from the answer.
func usageOf(ctx context.Context, c integration.Client, in usagesIn) ([]usageOut, error) {
	t, err := of(c)
	if err != nil {
		return nil, err
	}
	out := []usageOut{}
	const atOnce = 100
	for some := range slices.Chunk(in.Items, atOnce) {
		var refs []tableau.ContentRef
		for _, r := range some {
			refs = append(refs, tableau.ContentRef{LUID: r.ID, Type: r.Type})
		}
		list, err := t.UsageBatch(traced(ctx), refs)
		if err != nil && len(list) == 0 {
			return nil, meaning(err)
		}
		for _, u := range list {
			out = append(out, usageOut{
				Type: strings.ToLower(u.Type), ID: u.LUID, Total: u.Usage.Total, TwoWeeks: u.Usage.TwoWeeks, OneMonth: u.Usage.OneMonth,
				ThreeMonths: u.Usage.ThreeMonths, TwelveMonths: u.Usage.TwelveMonths,
			})
		}
	}
	return out, nil
}

type searchIn struct {
	Terms string   `json:"terms"`
	Types []string `json:"types"`
	Limit int      `json:"limit"`
}

type foundOut struct {
	Type  string `json:"type"`
	ID    string `json:"id"`
	Title string `json:"title"`
}

func search(ctx context.Context, c integration.Client, in searchIn) ([]foundOut, error) {
	t, err := of(c)
	if err != nil {
		return nil, err
	}
	return collect(t.Search(traced(ctx), tableau.SearchOptions{Terms: in.Terms, Types: in.Types}), in.Limit, nil, func(f tableau.Found) foundOut {
		return foundOut{Type: strings.ToLower(f.Type), ID: f.LUID, Title: f.Title}
	})
}

type collectionOut struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Owner string `json:"owner"`
	Items *int   `json:"items"`
}

func listCollections(ctx context.Context, c integration.Client, in projectsIn) ([]collectionOut, error) {
	t, err := of(c)
	if err != nil {
		return nil, err
	}
	return collect(t.Collections(traced(ctx)), in.Limit, nil, func(k tableau.Collection) collectionOut {
		return collectionOut{ID: k.LUID, Name: k.Name, Owner: k.Owner, Items: told(k.Items)}
	})
}

type itemOut struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Name string `json:"name"`
}

func listItems(ctx context.Context, c integration.Client, in getIn) ([]itemOut, error) {
	t, err := of(c)
	if err != nil {
		return nil, err
	}
	return collect(t.CollectionItems(traced(ctx), in.ID), 0, nil, func(i tableau.CollectionItem) itemOut {
		return itemOut{Type: i.Type, ID: i.LUID, Name: i.Name}
	})
}

type jobOut struct {
	ID        string   `json:"id"`
	Type      string   `json:"type"`
	Done      bool     `json:"done"`
	Succeeded bool     `json:"succeeded"`
	Progress  *int     `json:"progress"`
	Notes     []string `json:"notes"`
}

func getJob(ctx context.Context, c integration.Client, in getIn) (jobOut, error) {
	t, err := of(c)
	if err != nil {
		return jobOut{}, err
	}
	j, err := t.Job(traced(ctx), in.ID)
	if err != nil {
		return jobOut{}, meaning(err)
	}
	return jobOut{
		ID: j.ID, Type: j.Type, Done: j.Done(), Succeeded: j.Done() && j.Finish == tableau.JobSucceeded, Progress: told(j.Progress),
		Notes: append([]string{}, j.Notes...),
	}, nil
}
