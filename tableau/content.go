package tableau

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

func hasCode(err error, code string) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Code == code
}

// Project is a folder of the site's content.
type Project struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	ParentID    string `json:"parentProjectId,omitempty"`
	OwnerID     string `json:"ownerId,omitempty"`
	Permissions string `json:"contentPermissions,omitempty"`
}

type wireProject struct {
	ID          text `json:"id"`
	Name        text `json:"name"`
	Description text `json:"description"`
	ParentID    text `json:"parentProjectId"`
	Permissions text `json:"contentPermissions"`
	Owner       struct {
		ID text `json:"id"`
	} `json:"owner"`
}

func (w wireProject) project() Project {
	return Project{
		ID: string(w.ID), Name: string(w.Name), Description: string(w.Description), ParentID: string(w.ParentID),
		OwnerID: string(w.Owner.ID), Permissions: string(w.Permissions),
	}
}

// Projects reads all projects that fit the filter.
//
//tableau:operation GET sites/{site}/projects
func (c *Client) Projects(ctx context.Context, filter Filter) iter.Seq2[Project, error] {
	return listOf(ctx, c, "Projects", "/sites/{siteId}/projects", filter, wireProject.project, func(p Project) string { return p.ID })
}

// Found is something that a search found. Its fields depend on its type.
type Found struct {
	URI     string          `json:"uri,omitempty"`
	Type    string          `json:"type"` // workbook, view, datasource, …
	LUID    string          `json:"luid"`
	Title   string          `json:"title"`
	Content json.RawMessage `json:"content"` // as Tableau sends it
}

func readFound(raw json.RawMessage) Found {
	var w struct {
		URI     text            `json:"uri"`
		Content json.RawMessage `json:"content"`
	}
	_ = json.Unmarshal(raw, &w)
	if len(w.Content) == 0 {
		w.Content = raw
	}
	var c struct {
		Type  text `json:"type"`
		LUID  text `json:"luid"`
		Title text `json:"title"`
		Name  text `json:"name"`
	}
	_ = json.Unmarshal(w.Content, &c)
	return Found{URI: string(w.URI), Type: string(c.Type), LUID: string(c.LUID), Title: string(or(c.Title, c.Name)), Content: w.Content}
}

// SearchOptions say what to search for.
type SearchOptions struct {
	Terms   string
	Types   []string // workbook, view, datasource, … ; none for all
	Filter  Filter   // further conditions
	OrderBy []Sort   // hitsTotal, hitsSmallSpanTotal, …
	Limit   int      // page size, at most 2000; default 100
}

// Search searches the site's content. New content appears late, because
// Tableau indexes it first.
//
//tableau:operation GET -/search
func (c *Client) Search(ctx context.Context, o SearchOptions) iter.Seq2[Found, error] {
	q, err := o.query()
	if err != nil {
		return failed[Found](err)
	}
	items := c.Paginate(ctx, Request{Method: http.MethodGet, Path: "/api/-/search", Query: q, Op: "Search"})
	return func(yield func(Found, error) bool) {
		for raw, err := range items {
			if err != nil {
				yield(Found{}, err)
				return
			}
			if !yield(readFound(raw), nil) {
				return
			}
		}
	}
}

func (o SearchOptions) query() (url.Values, error) {
	f := o.Filter
	switch len(o.Types) {
	case 0:
	case 1:
		f = Where("type", Equal, o.Types[0])
		f = append(f, o.Filter...)
	default:
		f = append(Where("type", In, o.Types...), o.Filter...)
	}
	filter, err := f.Encode()
	if err != nil {
		return nil, err
	}
	order, err := encodeSort(o.OrderBy)
	if err != nil {
		return nil, err
	}
	limit := o.Limit
	if limit <= 0 || limit > 2000 {
		limit = 100
	}
	q := url.Values{"limit": {strconv.Itoa(limit)}}
	for k, v := range map[string]string{"terms": o.Terms, "filter": filter, "order_by": order} {
		if v != "" {
			q.Set(k, v)
		}
	}
	return q, nil
}

// Suggestions returns content that fits the beginning of a search.
//
//tableau:operation GET -/suggestions
func (c *Client) Suggestions(ctx context.Context, terms string, limit int) ([]Found, error) {
	p, err := c.rawPage(ctx, Request{
		Method: http.MethodGet, Path: "/api/-/suggestions", Op: "Suggestions",
		Query: url.Values{"terms": {terms}, "limit": {strconv.Itoa(max(limit, 1))}},
	})
	if err != nil {
		return nil, err
	}
	found := make([]Found, len(p.items))
	for i, raw := range p.items {
		found[i] = readFound(raw)
	}
	return found, nil
}

// Usage is how often content was viewed.
type Usage struct {
	Total        int `json:"hitsTotal"`
	TwoWeeks     int `json:"hitsLastTwoWeeksTotal"`
	OneMonth     int `json:"hitsLastOneMonthTotal"`
	ThreeMonths  int `json:"hitsLastThreeMonthsTotal"`
	TwelveMonths int `json:"hitsLastTwelveMonthsTotal"`
}

type wireUsage struct {
	Total        count `json:"hitsTotal"`
	TwoWeeks     count `json:"hitsLastTwoWeeksTotal"`
	OneMonth     count `json:"hitsLastOneMonthTotal"`
	ThreeMonths  count `json:"hitsLastThreeMonthsTotal"`
	TwelveMonths count `json:"hitsLastTwelveMonthsTotal"`
}

func (w wireUsage) usage() Usage {
	return Usage{Total: w.Total.n, TwoWeeks: w.TwoWeeks.n, OneMonth: w.OneMonth.n, ThreeMonths: w.ThreeMonths.n, TwelveMonths: w.TwelveMonths.n}
}

// Usage reads how often one piece of content was viewed. Kind is its plural:
// workbooks, views, datasources, flows.
//
//tableau:operation GET -/content/usage-stats/{type}/{luid}
func (c *Client) Usage(ctx context.Context, kind, luid string) (Usage, error) {
	for _, s := range []string{kind, luid} {
		if !goodSegment(s) || placeholder.MatchString(s) {
			return Usage{}, refuse("%q is not a type or LUID of content", s)
		}
	}
	w, err := call[wireUsage](ctx, c, Request{
		Method: http.MethodGet, Path: "/api/-/content/usage-stats/" + escapeSegment(kind) + "/" + escapeSegment(luid), Op: "Usage",
		tmpl: "/api/-/content/usage-stats/{type}/{luid}",
	})
	return w.usage(), err
}

// ContentRef names a piece of content. Type is singular: workbook, view, ….
type ContentRef struct {
	LUID string `json:"luid"`
	Type string `json:"type"`
}

// UsageOf is the usage of one piece of content.
type UsageOf struct {
	ContentRef

	Usage Usage `json:"usage"`
}

// UsageBatch reads how often many pieces of content were viewed. What Tableau
// does not know is missing from the answer, and named by an error beside it:
// both may be there.
//
//tableau:operation POST -/content/usage-stats
func (c *Client) UsageBatch(ctx context.Context, content []ContentRef) ([]UsageOf, error) {
	body, err := json.Marshal(map[string][]ContentRef{"content_items": content})
	if err != nil {
		return nil, fmt.Errorf("write the content items: %w", err)
	}
	a, err := call[struct {
		Items []struct {
			Content ContentRef `json:"content"`
			Usage   wireUsage  `json:"usage"`
		} `json:"content_items"`
		Errors []struct {
			Code    text `json:"httpErrorCode"`
			Message text `json:"message"`
		} `json:"errors"`
	}](ctx, c, Request{Method: http.MethodPost, Path: "/api/-/content/usage-stats", Body: body, Op: "UsageBatch", ReadOnly: true})
	if err != nil {
		return nil, err
	}
	list := make([]UsageOf, len(a.Items))
	for i, item := range a.Items {
		list[i] = UsageOf{ContentRef: item.Content, Usage: item.Usage.usage()}
	}
	for _, e := range a.Errors {
		status, convErr := strconv.Atoi(string(e.Code))
		if convErr != nil {
			status = http.StatusBadRequest
		}
		err = errors.Join(err, &Error{Op: "UsageBatch", Status: status, Summary: http.StatusText(status), Detail: string(e.Message)})
	}
	return list, err
}

// CollectionItem is content in a collection.
type CollectionItem struct {
	ContentRef

	Name  string `json:"name"`
	Added string `json:"added,omitempty"` // date, as Tableau writes it
}

type wireItem struct {
	Content struct {
		LUID text `json:"luid"`
		Type text `json:"type"`
		Name text `json:"name"`
	} `json:"content"`
	Added text `json:"addedDate"`
}

func (w wireItem) item() CollectionItem {
	return CollectionItem{
		ContentRef: ContentRef{LUID: string(w.Content.LUID), Type: strings.ToLower(string(w.Content.Type))},
		Name:       string(w.Content.Name), Added: string(w.Added),
	}
}

// CollectionItems reads what is in a collection.
//
//tableau:operation GET -/collections/{collection}/items
func (c *Client) CollectionItems(ctx context.Context, luid string) iter.Seq2[CollectionItem, error] {
	if !goodSegment(luid) || placeholder.MatchString(luid) {
		return failed[CollectionItem](refuse("%q is not the LUID of a collection", luid))
	}
	return lister[CollectionItem]{
		size: 100, now: c.cfg.Now,
		id: func(i CollectionItem) string { return i.Type + " " + i.LUID },
		read: func(ctx context.Context, number, size int) (page[CollectionItem], error) {
			return readList(ctx, c, Request{
				Method: http.MethodGet, Path: "/api/-/collections/" + escapeSegment(luid) + "/items", Query: pageQuery(size, number),
				Op: "CollectionItems", limit: MaxPageBody,
			}, wireItem.item)
		},
	}.all(ctx)
}
