package tableau

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// MaxPageSize is the largest page that Tableau gives (403014 above).
const MaxPageSize = 1000

// page is a part of a list.
type page[T any] struct {
	items []T
	total count
}

// lister reads a list page by page, and makes one list of it: nobody twice,
// and nobody missing because the list moved meanwhile.
type lister[T any] struct {
	size int
	read func(ctx context.Context, number, size int) (page[T], error)
	id   func(T) string
	now  func() time.Time
}

// all reads the pages. A list that changed while it was read is read once
// more, for those who slipped to a page that had been read already.
func (l lister[T]) all(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		s := sweep[T]{lister: l, seen: map[[16]byte]struct{}{}}
		for range 2 {
			more, err := s.pass(ctx, yield)
			if err != nil {
				yield(*new(T), err)
				return
			}
			if !more || !s.moved {
				return
			}
		}
	}
}

// sweep is the state of reading one list.
type sweep[T any] struct {
	lister[T]
	seen  map[[16]byte]struct{}
	spent time.Duration
	moved bool // the last pass saw signs of change
}

// pass reads all pages once. It returns false when the consumer had enough.
func (s *sweep[T]) pass(ctx context.Context, yield func(T, error) bool) (more bool, err error) {
	got, total := 0, count{}
	s.moved = false
	for number := 1; ; number++ {
		p, err := s.fetch(ctx, number)
		if e, ok := errors.AsType[*Error](err); ok {
			switch {
			case e.Code == "400006" && number > 1: // past the end: the list shrank
				s.moved = s.moved || len(s.seen) < total.n
				return true, nil
			case e.Code == "403014" && s.size > 100:
				s.size, got, number = 100, 0, 0
				continue
			}
		}
		if err != nil {
			return false, err
		}
		fresh := 0
		for _, item := range p.items {
			if key := idKey(s.id(item)); s.id(item) != "" {
				if _, twice := s.seen[key]; twice {
					continue
				}
				s.seen[key] = struct{}{}
			}
			fresh++
			if !yield(item, nil) {
				return false, nil
			}
		}
		got += len(p.items)
		if total.known && p.total != total {
			s.moved = true
		}
		total = p.total
		// What came counts, not what was asked for; and an empty page ends it
		// whatever the total says.
		switch {
		case len(p.items) == 0,
			total.known && got >= total.n,
			!total.known && (fresh == 0 || len(p.items) < s.size):
			s.moved = s.moved || total.known && len(s.seen) < total.n && len(s.seen) > 0
			return true, nil
		}
	}
}

func (s *sweep[T]) fetch(ctx context.Context, number int) (page[T], error) {
	if s.spent > ListTimeout {
		return page[T]{}, fmt.Errorf("the list was not read within %s: %w", ListTimeout, ClassUnavailable)
	}
	started := s.now()
	p, err := s.read(ctx, number, s.size)
	s.spent += s.now().Sub(started)
	return p, err
}

// idKey folds an id to the 16 bytes that a LUID holds, to remember many.
func idKey(id string) [16]byte {
	var key [16]byte
	if len(id) == 36 && id[8] == '-' && id[13] == '-' && id[18] == '-' && id[23] == '-' {
		hexed := [32]byte{}
		n := copy(hexed[:], id[:8])
		n += copy(hexed[n:], id[9:13])
		n += copy(hexed[n:], id[14:18])
		n += copy(hexed[n:], id[19:23])
		copy(hexed[n:], id[24:])
		if _, err := hex.Decode(key[:], hexed[:]); err == nil {
			return key
		}
	}
	sum := sha256.Sum256([]byte(id))
	copy(key[:], sum[:])
	return key
}

// rawPage is one page of any list of the API.
type rawPage struct {
	items []json.RawMessage
	total count
	next  string // token or address of the next page; "" for none
	token bool   // the list is paged by next, not by number
}

// listKeys are the names under which versionless lists stand, in the order of
// preference; versioned ones are found by their shape.
var listKeys = []string{"items", "collections", "content_items", "definitions", "metrics", "subscriptions", "data"}

// notLists are parts of an envelope that hold no items.
var notLists = map[string]bool{"pagination": true, "errors": true, "filter": true, "sort": true, "terms": true, "error": true}

// readPage finds the items and the paging in an envelope of either style:
// {"pagination":…,"users":{"user":[…]}}, {"items":[…],"next":…}, the same
// inside "hits", {"definitions":[…],"next_page_token":…}, or a bare array.
func readPage(body []byte) (rawPage, bool) {
	body = bytes.TrimSpace(body)
	if items, ok := rawArray(body); ok {
		return rawPage{items: items, total: count{len(items), true}}, true
	}
	var top map[string]json.RawMessage
	if json.Unmarshal(body, &top) != nil || top == nil {
		return rawPage{}, false
	}
	if hits, ok := top["hits"]; ok && len(hits) > 0 && hits[0] == '{' {
		return readPage(hits)
	}
	p := pageNumbers(top)
	for _, k := range listKeys {
		if raw, ok := top[k]; ok {
			p.items = rawItems(raw)
			return p, true
		}
	}
	found := false
	for k, raw := range top {
		if notLists[k] || len(raw) == 0 || raw[0] != '[' && raw[0] != '{' {
			continue
		}
		if items := rawItems(raw); !found || len(items) > len(p.items) {
			p.items, found = items, true
		}
	}
	return p, found || p.total.known
}

func pageNumbers(top map[string]json.RawMessage) rawPage {
	var p rawPage
	var paging struct {
		TotalAvailable count `json:"totalAvailable"`
		NextPageToken  text  `json:"nextPageToken"`
	}
	if raw, ok := top["pagination"]; ok && json.Unmarshal(raw, &paging) == nil {
		p.total = paging.TotalAvailable
	}
	for _, k := range []string{"totalCount", "total", "total_available", "totalAvailable"} {
		if raw, ok := top[k]; ok && !p.total.known {
			_ = p.total.UnmarshalJSON(raw)
		}
	}
	p.next = string(paging.NextPageToken)
	for _, k := range []string{"next_page_token", "nextPageToken", "next"} {
		if raw, ok := top[k]; ok {
			var t text
			_ = t.UnmarshalJSON(raw)
			p.token = true
			p.next = string(t)
			break
		}
	}
	return p
}

// rawItems reads the items of a list: an array, a single object, or an object
// around one of them, as the conversion from XML makes it.
func rawItems(raw json.RawMessage) []json.RawMessage {
	if items, ok := rawArray(raw); ok {
		return items
	}
	var wrap map[string]json.RawMessage
	if json.Unmarshal(raw, &wrap) != nil || len(wrap) == 0 {
		return nil
	}
	if len(wrap) == 1 {
		for _, inner := range wrap {
			if items, ok := rawArray(inner); ok {
				return items
			}
			if len(inner) > 0 && inner[0] == '{' {
				return []json.RawMessage{inner}
			}
		}
	}
	return []json.RawMessage{raw}
}

func rawArray(raw json.RawMessage) ([]json.RawMessage, bool) {
	if len(raw) == 0 || raw[0] != '[' {
		return nil, false
	}
	var items []json.RawMessage
	return items, json.Unmarshal(raw, &items) == nil
}

// rawID returns what identifies a raw item, or "".
func rawID(item json.RawMessage) string {
	var x struct {
		ID      text `json:"id"`
		LUID    text `json:"luid"`
		Content *struct {
			LUID text `json:"luid"`
			Type text `json:"type"`
		} `json:"content"`
	}
	if json.Unmarshal(item, &x) != nil {
		return ""
	}
	switch {
	case x.ID != "":
		return string(x.ID)
	case x.LUID != "":
		return string(x.LUID)
	case x.Content != nil && x.Content.LUID != "":
		return string(x.Content.Type) + " " + string(x.Content.LUID)
	default:
		return ""
	}
}

// Paginate reads all pages of any list of the API as one stream of its items,
// undecoded. It follows both styles: numbered pages, and pages that name the
// next one. An item with an id comes once. The page's size is the request's
// own parameter where it has one.
func (c *Client) Paginate(ctx context.Context, r Request) iter.Seq2[json.RawMessage, error] {
	r.Query = maps.Clone(r.Query)
	if r.Query == nil {
		r.Query = url.Values{}
	}
	t, err := parsePath(r.Path, c.cfg.Version)
	if err != nil {
		return func(yield func(json.RawMessage, error) bool) { yield(nil, err) }
	}
	// The style is known by the path, except for versionless services that are
	// not known here: those are watched for a token in their first answer.
	versionless := t.segments[1] == "-"
	if versionless && t.segments[2] != "collections" {
		return c.followPages(ctx, r, t.segments[2])
	}
	size := r.Query.Get("pageSize")
	n, err := strconv.Atoi(size)
	if err != nil || n < 1 {
		n = MaxPageSize
	}
	return lister[json.RawMessage]{
		size: n, now: c.cfg.Now, id: rawID,
		read: func(ctx context.Context, number, size int) (page[json.RawMessage], error) {
			q := maps.Clone(r.Query)
			q.Set("pageSize", strconv.Itoa(size))
			q.Set("pageNumber", strconv.Itoa(number))
			r := r
			r.Query = q
			p, err := c.rawPage(ctx, r)
			return page[json.RawMessage]{items: p.items, total: p.total}, err
		},
	}.all(ctx)
}

func (c *Client) rawPage(ctx context.Context, r Request) (rawPage, error) {
	resp, err := c.Do(ctx, r)
	if err != nil {
		return rawPage{}, err
	}
	if err := resp.Err(); err != nil {
		return rawPage{}, err
	}
	if err := resp.mustBeJSON(); err != nil {
		return rawPage{}, err
	}
	p, ok := readPage(resp.Body)
	if !ok {
		return rawPage{}, resp.notTableau()
	}
	return p, nil
}

// followPages reads a list whose pages name the next one.
func (c *Client) followPages(ctx context.Context, r Request, service string) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		seen := map[[16]byte]struct{}{}
		asked := map[string]bool{}
		for {
			// A server that names the same page again would be asked for ever.
			key := r.Query.Encode()
			if asked[key] {
				return
			}
			asked[key] = true
			p, err := c.rawPage(ctx, r)
			if e, ok := errors.AsType[*Error](err); ok && e.Code == "400006" && len(asked) > 1 {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			for _, item := range p.items {
				if id := rawID(item); id != "" {
					if _, twice := seen[idKey(id)]; twice {
						continue
					}
					seen[idKey(id)] = struct{}{}
				}
				if !yield(item, nil) {
					return
				}
			}
			if len(p.items) == 0 || p.next == "" {
				return
			}
			r.Query = nextQuery(r.Query, p.next, service)
		}
	}
}

// nextQuery returns the query of the page that an answer names: by an address,
// of which only the query counts, or by a token.
func nextQuery(q url.Values, next, service string) url.Values {
	q = maps.Clone(q)
	if _, query, ok := strings.Cut(next, "?"); ok {
		if named, err := url.ParseQuery(query); err == nil {
			maps.Copy(q, named)
			return q
		}
	}
	switch service {
	case "search", "suggestions":
		q.Set("page", next)
	default:
		q.Set("page_token", next)
	}
	return q
}
