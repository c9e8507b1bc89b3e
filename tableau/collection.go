package tableau

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Collection is a curated list of content. The REST API has collections from
// 3.28 on; older servers answer 404.
type Collection struct {
	LUID        string    `json:"luid"`
	Name        string    `json:"name"`
	Description string    `json:"description,omitempty"`
	Owner       string    `json:"owner,omitempty"` // name or alias, never a LUID
	Visibility  string    `json:"visibility,omitempty"`
	Items       int       `json:"items"` // -1: Tableau did not say
	Created     time.Time `json:"created,omitzero"`
	Updated     time.Time `json:"updated,omitzero"`
}

type wireCollection struct {
	LUID        text  `json:"luid"`
	ID          text  `json:"id"`
	Name        text  `json:"name"`
	Description text  `json:"description"`
	OwnerName   text  `json:"ownerName"`
	OwnerAlias  text  `json:"ownerAlias"`
	Visibility  text  `json:"visibility"`
	Items       count `json:"totalItemCount"`
	Created     text  `json:"createdTime"`
	Updated     text  `json:"updatedTime"`
}

func (w wireCollection) collection() Collection {
	return Collection{
		LUID: string(or(w.LUID, w.ID)), Name: string(w.Name), Description: string(w.Description),
		Owner: string(or(w.OwnerName, w.OwnerAlias)), Visibility: string(w.Visibility), Items: w.Items.orUnknown(),
		Created: parseTime(string(w.Created)), Updated: parseTime(string(w.Updated)),
	}
}

func or(a, b text) text {
	if a == "" {
		return b
	}
	return a
}

// CollectionsPage is the first part of the site's collections.
type CollectionsPage struct {
	Collections []Collection
	Total       int // -1 when Tableau did not say
}

// Collections reads all collections that the account may see.
//
//tableau:operation GET -/collections
func (c *Client) Collections(ctx context.Context) iter.Seq2[Collection, error] {
	return lister[Collection]{
		size: 100,
		now:  c.cfg.Now,
		id:   func(k Collection) string { return k.LUID },
		read: c.collectionsPage,
	}.all(ctx)
}

// CollectionsPage reads the first collections, at most size.
//
//tableau:operation GET -/collections
func (c *Client) CollectionsPage(ctx context.Context, size int) (CollectionsPage, error) {
	p, err := c.collectionsPage(ctx, 1, max(size, 1))
	total := -1
	if p.total.known {
		total = p.total.n
	}
	return CollectionsPage{Collections: p.items, Total: total}, err
}

func (c *Client) collectionsPage(ctx context.Context, number, size int) (page[Collection], error) {
	return readList(ctx, c, Request{
		Method: http.MethodGet, Path: "/api/-/collections", Op: "Collections", limit: MaxPageBody,
		Query: url.Values{"pageSize": {strconv.Itoa(size)}, "pageNumber": {strconv.Itoa(number)}},
	}, wireCollection.collection)
}

// readList reads a page of any list of the API and converts its items.
func readList[W, T any](ctx context.Context, c *Client, r Request, convert func(W) T) (page[T], error) {
	resp, err := c.Do(ctx, r)
	if err != nil {
		return page[T]{}, err
	}
	if err := resp.Err(); err != nil {
		return page[T]{}, err
	}
	if err := resp.mustBeJSON(); err != nil {
		return page[T]{}, err
	}
	raw, ok := readPage(resp.Body)
	if !ok {
		return page[T]{}, resp.notTableau()
	}
	p := page[T]{total: raw.total}
	for _, item := range raw.items {
		var w W
		if json.Unmarshal(item, &w) != nil {
			w = *new(W)
			if json.Unmarshal(loosen(item), &w) != nil {
				return page[T]{}, resp.notTableau()
			}
		}
		p.items = append(p.items, convert(w))
	}
	return p, nil
}
