package tableautest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// collectionJSON is a collection on the wire. There is no owner's LUID in it.
type collectionJSON struct {
	LUID                string `json:"luid"`
	Name                string `json:"name"`
	Description         string `json:"description"`
	OwnerName           string `json:"ownerName"`
	OwnerAlias          string `json:"ownerAlias"`
	Visibility          string `json:"visibility"`
	CreatedTime         string `json:"createdTime"`
	UpdatedTime         string `json:"updatedTime"`
	TotalItemCount      int    `json:"totalItemCount"`
	PermissionedItemCnt int    `json:"permissionedItemCount"`
}

type contentRef struct {
	LUID string `json:"luid"`
	Type string `json:"type"`
	Name string `json:"name,omitempty"`
}

type collectionItemJSON struct {
	Content        contentRef `json:"content"`
	CollectionLUID string     `json:"collectionLuid"`
	AddedDate      string     `json:"addedDate"`
}

type paginationJSON struct {
	PageNumber     int `json:"pageNumber"`
	PageSize       int `json:"pageSize"`
	TotalAvailable int `json:"totalAvailable"`
}

// itemError is a fault of one item of a bulk call.
type itemError struct {
	ErrorCode    string `json:"errorCode"`
	ErrorMessage string `json:"errorMessage"`
}

// readJSON reads the body of a versionless method.
func (c *call) readJSON(v any) *failure {
	contentType := c.r.Header.Get("Content-Type")
	if f, known := requestFormat(contentType); contentType != "" && (!known || f != asJSON) {
		return fail("406000", "Content type '"+contentType+"' not supported")
	}
	if err := json.Unmarshal(c.raw, v); err != nil {
		return fail("400000")
	}
	c.entry.Body = string(c.raw)
	return nil
}

// permittedItems are the items of a collection that the caller may read.
func (c *call) permittedItems(x *content) []collectionItem {
	return slices.DeleteFunc(slices.Clone(x.items), func(i collectionItem) bool {
		item := c.site.content.byID[i.id]
		return item == nil || !c.site.may(c.user, item, "Read")
	})
}

func (c *call) collectionJSON(x *content) collectionJSON {
	j := collectionJSON{
		LUID: x.id, Name: x.name, Description: x.description, Visibility: x.visibility,
		CreatedTime: stamp(x.created), UpdatedTime: stamp(x.updated),
		TotalItemCount: len(x.items), PermissionedItemCnt: len(c.permittedItems(x)),
	}
	if u := c.site.user(x.ownerID); u != nil {
		j.OwnerName, j.OwnerAlias = u.fullName, u.name
	}
	return j
}

func (c *call) collectionFields() []field[*content] {
	return []field[*content]{
		{name: "name", ops: "eq in cieq", sort: true, str: func(x *content) string { return x.name }},
		{name: "type", ops: "eq in", str: func(*content) string { return string(collection) }},
		{name: "ownerLuid", ops: "eq in", str: func(x *content) string { return x.ownerID }},
		{name: "visibility", ops: "eq in", sort: true, str: func(x *content) string { return x.visibility }},
		{name: "siteId", ops: "eq", str: func(*content) string { return c.site.id }},
		{name: "createdTime", ops: "eq gt gte lt lte", sort: true, time: func(x *content) time.Time { return x.created }},
		{name: "updatedTime", ops: "eq gt gte lt lte", sort: true, time: func(x *content) time.Time { return x.updated }},
		{name: "modifiedTime", ops: "eq gt gte lt lte", sort: true, time: func(x *content) time.Time { return x.updated }},
	}
}

// pageOf filters, sorts and pages for a versionless list.
func pageOf[T any](c *call, all []T, fields []field[T]) ([]T, paginationJSON, *failure) {
	p, f := c.page()
	if f != nil {
		return nil, paginationJSON{}, f
	}
	q, f := parseQuery(fields, c)
	if f != nil {
		return nil, paginationJSON{}, f
	}
	all = q.apply(all)
	if f := c.pastEnd(p, len(all)); f != nil {
		return nil, paginationJSON{}, f
	}
	return cut(p, all), paginationJSON{p.number, p.size, len(all)}, nil
}

func (c *call) listCollections() (answer, *failure) {
	page, pagination, f := pageOf(c, c.readable(collection), c.collectionFields())
	if f != nil {
		return answer{}, f
	}
	items := make([]collectionJSON, len(page))
	for i, x := range page {
		items[i] = c.collectionJSON(x)
	}
	return plain(http.StatusOK, map[string]any{"pagination": pagination, c.in.cfg().CollectionsKey: items}), nil
}

// theCollection finds the collection of the path, when the caller has the
// capability; one that may not be read is not there.
func (c *call) theCollection(capability string) (*content, *failure) {
	x := c.site.content.get(collection, c.param("collectionId"))
	switch {
	case x == nil, !c.site.may(c.user, x, "Read"):
		return nil, fail("404003", "Collection could not be found.")
	case !c.site.may(c.user, x, capability):
		return nil, fail("403004")
	}
	return x, nil
}

func (c *call) getCollection() (answer, *failure) {
	x, f := c.theCollection("Read")
	if f != nil {
		return answer{}, f
	}
	return plain(http.StatusOK, c.collectionJSON(x)), nil
}

func (c *call) createCollection() (answer, *failure) {
	var in struct{ Name, Description string }
	if f := c.readJSON(&in); f != nil {
		return answer{}, f
	}
	switch {
	case strings.TrimSpace(in.Name) == "":
		return answer{}, fail("400000", "The collection has no name.")
	case c.user.role == RoleUnlicensed:
		return answer{}, fail("403004")
	}
	x := &content{
		id: c.in.luid(), kind: collection, name: in.Name, description: in.Description, ownerID: c.user.id,
		visibility: "private", created: c.in.now(), updated: c.in.now(),
	}
	c.site.content.put(x)
	return plain(http.StatusCreated, c.collectionJSON(x)), nil
}

func (c *call) deleteCollection() (answer, *failure) {
	x, f := c.theCollection("Write")
	if f != nil {
		return answer{}, f
	}
	c.site.content.remove(x.id)
	return empty(), nil
}

// updateCollections changes many; each that cannot be is an error beside the
// ones that could.
func (c *call) updateCollections() (answer, *failure) {
	var in []struct {
		LUID                         string
		Name, Description, OwnerLUID *string
	}
	if f := c.readJSON(&in); f != nil {
		return answer{}, f
	}
	updated, errs := []collectionJSON{}, []itemError{}
	for _, change := range in {
		old := c.site.content.get(collection, change.LUID)
		switch {
		case old == nil || !c.site.may(c.user, old, "Read"):
			errs = append(errs, itemError{"404", "Collection " + change.LUID + " could not be found."})
			continue
		case !c.site.may(c.user, old, "Write"):
			errs = append(errs, itemError{"403", "Collection " + change.LUID + " may not be changed."})
			continue
		case change.OwnerLUID != nil && c.site.user(*change.OwnerLUID) == nil:
			errs = append(errs, itemError{"404", "User " + *change.OwnerLUID + " could not be found."})
			continue
		case change.Name != nil && strings.TrimSpace(*change.Name) == "":
			errs = append(errs, itemError{"400", "The collection has no name."})
			continue
		}
		x := *old
		for to, from := range map[*string]*string{&x.name: change.Name, &x.description: change.Description, &x.ownerID: change.OwnerLUID} {
			if from != nil {
				*to = *from
			}
		}
		x.updated = c.in.now()
		c.site.content.put(&x)
		updated = append(updated, c.collectionJSON(&x))
	}
	return plain(http.StatusOK, map[string]any{c.in.cfg().CollectionsKey: updated, "errors": errs}), nil
}

func (c *call) listCollectionItems() (answer, *failure) {
	x, f := c.theCollection("Read")
	if f != nil {
		return answer{}, f
	}
	fields := []field[collectionItem]{
		{name: "type", ops: "eq in", sort: true, str: func(i collectionItem) string { return string(i.kind) }},
		{name: "name", ops: "eq in", sort: true, str: func(i collectionItem) string { return i.name }},
		{name: "addedDate", ops: "eq gt gte lt lte", sort: true, time: func(i collectionItem) time.Time { return i.added }},
	}
	page, pagination, f := pageOf(c, c.permittedItems(x), fields)
	if f != nil {
		return answer{}, f
	}
	items := make([]collectionItemJSON, len(page))
	for i, it := range page {
		name := it.name
		if now := c.site.content.byID[it.id]; now != nil {
			name = now.name
		}
		items[i] = collectionItemJSON{contentRef{it.id, string(it.kind), name}, x.id, stamp(it.added)}
	}
	return plain(http.StatusOK, map[string]any{"pagination": pagination, "items": items}), nil
}

// changeCollectionItems adds or takes away the items of a body.
func (c *call) changeCollectionItems() (answer, *failure) {
	old, f := c.theCollection("Write")
	if f != nil {
		return answer{}, f
	}
	var in struct {
		Items []struct{ ContentLUID, ContentType, ContentName string }
	}
	if f := c.readJSON(&in); f != nil {
		return answer{}, f
	}
	x := *old
	x.items = slices.Clone(old.items)
	adding := c.route.method.name == "add-collection-items"
	done, errs := []collectionItemJSON{}, []itemError{}
	for _, i := range in.Items {
		at := slices.IndexFunc(x.items, func(o collectionItem) bool { return o.id == i.ContentLUID })
		what := c.site.content.byID[i.ContentLUID]
		switch {
		case adding && (what == nil || string(what.kind) != strings.ToLower(i.ContentType) || !c.site.may(c.user, what, "Read")),
			!adding && at < 0:
			errs = append(errs, itemError{"404", "Content " + i.ContentLUID + " could not be found."})
			continue
		case adding && at < 0:
			at = len(x.items)
			x.items = append(x.items, collectionItem{id: what.id, kind: what.kind, name: what.name, added: c.in.now()})
		}
		it := x.items[at]
		done = append(done, collectionItemJSON{contentRef{it.id, string(it.kind), it.name}, x.id, stamp(it.added)})
		if !adding {
			x.items = slices.Delete(x.items, at, at+1)
		}
	}
	x.updated = c.in.now()
	c.site.content.put(&x)
	return plain(http.StatusOK, map[string]any{"items": done, "errors": errs}), nil
}
