package tableautest

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// searchKinds are the kinds of content that search knows.
var searchKinds = []string{
	"lens", "datasource", "virtualconnection", "collection", "project", "flow", "datarole", "table", "database", "view", "workbook", "metric",
}

// The limits of a search: at most maxFound items can be reached, maxHits of them in
// one answer.
const (
	usualHits = 10
	maxHits   = 2000
	maxFound  = 10000
)

// found is content as search knows it.
type found struct {
	URI     string         `json:"uri"`
	Content map[string]any `json:"content"`
}

// hits is a page of results.
type hits struct {
	Next       string  `json:"next,omitempty"`
	Prev       string  `json:"prev,omitempty"`
	PageIndex  int     `json:"pageIndex"`
	StartIndex int     `json:"startIndex"`
	Total      int     `json:"total"`
	Limit      int     `json:"limit"`
	Items      []found `json:"items"`
}

// indexed returns the content that the search index knows, as it knows it: a change
// shows Config.IndexLag later.
func (c *call) indexed() []*content {
	limit := c.in.now().Add(-c.in.cfg().IndexLag)
	var out []*content
	for _, x := range c.site.content.byID {
		if !c.site.may(c.user, x, "Read") {
			continue
		}
		if x.updated.After(limit) && x.before != nil {
			x = x.before
		}
		if c.in.cfg().IndexLag > 0 && x.updated.After(limit) {
			continue
		}
		out = append(out, x)
	}
	slices.SortFunc(out, func(a, b *content) int { return a.seq - b.seq })
	return out
}

// usage spreads what is known of looks at content over the spans that Tableau
// reports: all of them happened lately.
type usageJSON struct {
	Total        int `json:"hitsTotal"`
	TwoWeeks     int `json:"hitsLastTwoWeeksTotal"`
	OneMonth     int `json:"hitsLastOneMonthTotal"`
	ThreeMonths  int `json:"hitsLastThreeMonthsTotal"`
	TwelveMonths int `json:"hitsLastTwelveMonthsTotal"`
}

func usageOf(x *content) usageJSON { return usageJSON{x.hits, x.hits, x.hits, x.hits, x.hits} }

func (c *call) found(x *content) found {
	m := map[string]any{
		"luid": x.id, "type": string(x.kind), "title": x.name, "caption": x.description, "tags": slices.Clone(x.tags),
		"createdTime": stamp(x.created), "modifiedTime": stamp(x.updated),
		"hitsTotal": x.hits, "hitsSmallSpanTotal": x.hits, "hitsMediumSpanTotal": x.hits, "hitsLargeSpanTotal": x.hits,
		"favoritesTotal": 0, "downstreamWorkbookCount": 0,
	}
	if x.tags == nil {
		m["tags"] = []string{}
	}
	if u := c.site.user(x.ownerID); u != nil {
		m["ownerId"], m["ownerName"], m["ownerEmail"] = u.seq, u.fullName, u.email
	}
	if name := c.projectName(x); name != "" {
		m["projectName"], m["containerName"], m["containerType"] = name, name, "project"
	}
	if wb := c.site.content.get(workbook, x.workbookID); wb != nil {
		m["containerName"], m["containerType"], m["parentWorkbookName"] = wb.name, string(workbook), wb.name
	}
	return found{URI: fmt.Sprintf("urn:tableau:%s:%s", x.kind, x.id), Content: m}
}

// searchFields is what a search can be filtered by.
func (c *call) searchFields() []field[*content] {
	return []field[*content]{
		{name: "type", ops: "eq in", str: func(x *content) string { return string(x.kind) }},
		{name: "ownerId", ops: "eq in", str: func(x *content) string {
			if u := c.site.user(x.ownerID); u != nil {
				return strconv.Itoa(u.seq)
			}
			return ""
		}},
		{name: "modifiedTime", ops: "eq gt gte lt lte", time: func(x *content) time.Time { return x.updated }},
	}
}

// orders are what results can be ordered by.
var orders = map[string]func(*content) int{
	"hitsTotal": func(x *content) int { return x.hits }, "hitsSmallSpanTotal": func(x *content) int { return x.hits },
	"hitsMediumSpanTotal": func(x *content) int { return x.hits }, "hitsLargeSpanTotal": func(x *content) int { return x.hits },
	"downstreamWorkbookCount": func(*content) int { return 0 },
}

// find runs a search.
func (c *call) find() ([]*content, *failure) {
	c.query.Del("sort") // search orders by order_by
	q, f := parseQuery(c.searchFields(), c)
	if f != nil {
		return nil, f
	}
	terms := strings.Fields(strings.ToLower(c.query.Get("terms")))
	results := slices.DeleteFunc(q.apply(c.indexed()), func(x *content) bool {
		text := strings.ToLower(x.name + " " + x.description + " " + strings.Join(x.tags, " "))
		return slices.ContainsFunc(terms, func(t string) bool { return !strings.Contains(text, t) }) ||
			!slices.Contains(searchKinds, string(x.kind))
	})
	if by := c.query.Get("order_by"); by != "" {
		var order []func(a, b *content) int
		for part := range strings.SplitSeq(by, ",") {
			name, dir, _ := strings.Cut(part, ":")
			value, known := orders[name]
			if !known || dir != "" && dir != "asc" && dir != "desc" {
				return nil, fail("400008", "Invalid order_by '"+part+"'.")
			}
			sign := 1
			if dir == "desc" {
				sign = -1
			}
			order = append(order, func(a, b *content) int { return sign * cmp.Compare(value(a), value(b)) })
		}
		slices.SortStableFunc(results, func(a, b *content) int {
			for _, o := range order {
				if n := o(a, b); n != 0 {
					return n
				}
			}
			return 0
		})
	}
	return results[:min(len(results), maxFound)], nil
}

// count reads a parameter that is a number of at least least.
func (c *call) count(name string, usual, least int) (int, *failure) {
	s := c.query.Get(name)
	if s == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < least {
		return 0, fail("400008", "Invalid "+name+" '"+s+"'.")
	}
	return n, nil
}

// pageOfHits runs a search and cuts the page that was asked for.
func (c *call) pageOfHits(path string) (hits, *failure) {
	results, f := c.find()
	if f != nil {
		return hits{}, f
	}
	limit, f := c.count("limit", usualHits, 1)
	if f != nil {
		return hits{}, f
	}
	first := c.in.cfg().SearchFirstPage
	page, f := c.count("page", first, first)
	if f != nil {
		return hits{}, f
	}
	if limit > maxHits {
		return hits{}, fail("400008", "The limit exceeds 2000.")
	}
	h := hits{PageIndex: page, Limit: limit, Total: len(results), Items: []found{}}
	h.StartIndex = min(page-first, maxFound) * limit
	end := min(h.StartIndex+limit, len(results))
	link := func(n int) string {
		q := c.r.URL.Query()
		q.Set("page", strconv.Itoa(n))
		return "https://" + c.r.Host + path + "?" + q.Encode()
	}
	if h.StartIndex < len(results) {
		for _, x := range results[h.StartIndex:end] {
			h.Items = append(h.Items, c.found(x))
		}
	}
	if end < len(results) {
		h.Next = link(page + 1)
	}
	if page > first {
		h.Prev = link(page - 1)
	}
	return h, nil
}

func (c *call) search() (answer, *failure) {
	h, f := c.pageOfHits("/api/-/search")
	if f != nil {
		return answer{}, f
	}
	if c.in.cfg().SearchWrapper == Off {
		return plain(http.StatusOK, h), nil
	}
	return plain(http.StatusOK, map[string]any{"hits": h}), nil
}

func (c *call) suggestions() (answer, *failure) {
	if c.query.Get("terms") == "" {
		return answer{}, fail("400008", "terms is missing.")
	}
	c.query.Del("order_by")
	h, f := c.pageOfHits("/api/-/suggestions")
	if f != nil {
		return answer{}, f
	}
	return plain(http.StatusOK, map[string]any{
		"terms": c.query.Get("terms"), "filter": c.query.Get("filter"), "sort": "", "hits": h,
	}), nil
}

// usageKinds are the kinds whose use is counted, by the word of the path.
func usageKind(word string) (contentKind, bool) {
	singular := strings.TrimSuffix(strings.ToLower(word), "s")
	if singular == "lense" {
		singular = "lens"
	}
	return contentKind(singular), slices.Contains(searchKinds, singular)
}

// used finds the content that a usage request names.
func (c *call) used(word, id string) (*content, *failure) {
	kind, known := usageKind(word)
	if !known {
		return nil, fail("400008", "Unknown content type '"+word+"'.")
	}
	for _, x := range c.indexed() {
		if x.id == id && x.kind == kind {
			return x, nil
		}
	}
	return nil, fail("404003", "Content "+id+" could not be found.")
}

func (c *call) usage() (answer, *failure) {
	x, f := c.used(c.param("type"), c.param("luid"))
	if f != nil {
		return answer{}, f
	}
	return plain(http.StatusOK, usageOf(x)), nil
}

// batchUsage answers 201 with what was found and with errors for the rest.
func (c *call) batchUsage() (answer, *failure) {
	var in struct {
		Items []contentRef `json:"content_items"`
	}
	if f := c.readJSON(&in); f != nil {
		return answer{}, f
	}
	if in.Items == nil {
		return answer{}, fail("400000")
	}
	type item struct {
		Content contentRef `json:"content"`
		Usage   usageJSON  `json:"usage"`
	}
	type itemError struct {
		Code    int    `json:"httpErrorCode"`
		Message string `json:"message"`
	}
	items, errs := []item{}, []itemError{}
	for _, ref := range in.Items {
		x, f := c.used(ref.Type, ref.LUID)
		if f != nil {
			errs = append(errs, itemError{f.status, f.detail})
			continue
		}
		items = append(items, item{contentRef{LUID: x.id, Type: ref.Type}, usageOf(x)})
	}
	return plain(http.StatusCreated, map[string]any{"content_items": items, "errors": errs}), nil
}
