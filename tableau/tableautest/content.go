package tableautest

import (
	"slices"
	"strings"
	"time"
)

// contentKind is what a piece of content is, by its name in search.
type contentKind string

const (
	project    contentKind = "project"
	workbook   contentKind = "workbook"
	view       contentKind = "view"
	datasource contentKind = "datasource"
	flow       contentKind = "flow"
	collection contentKind = "collection"
)

// content is one piece of content. It is never changed, only replaced.
type content struct {
	seq                 int
	id                  string
	kind                contentKind
	name, description   string
	contentURL          string
	projectID, ownerID  string // of a nested project: its parent
	workbookID          string // of a view
	visibility          string // of a collection
	permissionsMode     string // of a project
	created, updated    time.Time
	tags                []string
	showTabs, certified bool
	fileType            string
	file                []byte
	revisions           []revision
	hits                int // how often it was looked at
	items               []collectionItem
	before              *content // what search still knows, while its index lags
}

// revision is a published file; the last one is current.
type revision struct {
	number    int
	published time.Time
	by        string
	file      []byte
}

// collectionItem is a place in a collection.
type collectionItem struct {
	id    string
	kind  contentKind
	name  string
	added time.Time
}

// contentStore is all content of a site, and who may do what with it.
type contentStore struct {
	byID    map[string]*content
	grants  map[string][]grant // by content id, or by project id + "/" + kind
	lastSeq int
}

func (s *contentStore) init() {
	s.byID, s.grants = map[string]*content{}, map[string][]grant{}
}

// put adds content or replaces the piece with the same id.
func (s *contentStore) put(c *content) {
	if old := s.byID[c.id]; old != nil {
		c.seq, c.before = old.seq, old
		old.before = nil // only the last change is still on its way
	} else {
		s.lastSeq++
		c.seq = s.lastSeq
	}
	s.byID[c.id] = c
}

// get returns content of a kind, or nil.
func (s *contentStore) get(kind contentKind, id string) *content {
	if c := s.byID[id]; c != nil && c.kind == kind {
		return c
	}
	return nil
}

// owned tells whether a user owns content.
func (s *contentStore) owned(userID string) bool {
	for _, c := range s.byID {
		if c.ownerID == userID {
			return true
		}
	}
	return false
}

// reassign gives the content of one user to another.
func (s *contentStore) reassign(from, to string) {
	for _, c := range s.byID {
		if c.ownerID == from {
			next := *c
			next.ownerID = to
			s.put(&next)
		}
	}
}

// of returns the content of a kind, oldest first.
func (s *contentStore) of(kind contentKind) []*content {
	var out []*content
	for _, c := range s.byID {
		if c.kind == kind {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b *content) int { return a.seq - b.seq })
	return out
}

// named finds content of a kind in a project by name, without regard to case.
func (s *contentStore) named(kind contentKind, projectID, name string) *content {
	for _, c := range s.byID {
		if c.kind == kind && c.projectID == projectID && strings.EqualFold(c.name, name) {
			return c
		}
	}
	return nil
}

// remove takes content away with all that is inside it.
func (s *contentStore) remove(id string) {
	delete(s.byID, id)
	for key := range s.grants {
		if key == id || strings.HasPrefix(key, id+"/") {
			delete(s.grants, key)
		}
	}
	for _, c := range s.byID {
		if c.projectID == id || c.workbookID == id {
			s.remove(c.id)
		}
	}
}

func (s *contentStore) defaultProject() *content {
	for _, c := range s.byID {
		if c.kind == project && c.name == "default" && c.projectID == "" {
			return c
		}
	}
	return nil
}

// Content is a handle on a piece of content.
type Content struct {
	site *Site
	id   string
}

// ContentDetails is what [Site.AddContent] can be told beyond kind, name and
// owner.
type ContentDetails struct {
	Description string
	Project     *Content // default: the project "default"
	Workbook    *Content // of a view
	Tags        []string
	ContentURL  string // default: made from the name
	File        []byte
	FileType    string // default: twbx, tdsx or tflx
	Hits        int    // how often it was looked at
	ShowTabs    bool   // of a workbook
	Visibility  string // of a collection: private (default) or public
	Created     time.Time
	Updated     time.Time
}

// AddContent puts content on the site. Kind is "project", "workbook", "view",
// "datasource", "flow" or "collection"; any other kind that search knows, such
// as "lens", is found by search alone. A workbook has no views until they are
// added.
func (s *Site) AddContent(kind, name string, owner *User, details ...ContentDetails) *Content {
	var d ContentDetails
	if len(details) > 0 {
		d = details[0]
	}
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	now := s.in.now()
	c := &content{
		id: s.in.luid(), kind: contentKind(kind), name: name, description: d.Description, ownerID: owner.id,
		contentURL: or(d.ContentURL, contentURLOf(name)), tags: slices.Clone(d.Tags), showTabs: d.ShowTabs,
		visibility: or(d.Visibility, "private"), file: d.File, hits: d.Hits,
		created: or(d.Created, now), updated: or(d.Updated, or(d.Created, now)),
		fileType: or(d.FileType, usualFileType(contentKind(kind))),
	}
	switch {
	case d.Project != nil:
		c.projectID = d.Project.id
	case c.kind != project && c.kind != collection:
		c.projectID = s.st.content.defaultProject().id
	}
	if d.Workbook != nil {
		wb := s.st.content.byID[d.Workbook.id]
		c.workbookID, c.projectID = wb.id, wb.projectID
		c.contentURL = or(d.ContentURL, wb.contentURL+"/sheets/"+contentURLOf(name))
	}
	if c.file != nil {
		c.revisions = []revision{{number: 1, published: c.created, by: owner.id, file: c.file}}
	}
	s.st.content.put(c)
	s.st.content.inherit(c)
	return &Content{site: s, id: c.id}
}

// AddCollection makes a collection, public or private, that holds content.
func (s *Site) AddCollection(name string, owner *User, visibility string, items ...*Content) *Content {
	c := s.AddContent("collection", name, owner, ContentDetails{Visibility: visibility})
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	next := *s.st.content.byID[c.id]
	for _, i := range items {
		if x := s.st.content.byID[i.id]; x != nil {
			next.items = append(next.items, collectionItem{id: x.id, kind: x.kind, name: x.name, added: s.in.now()})
		}
	}
	s.st.content.put(&next)
	return c
}

// ID returns the content's LUID.
func (c *Content) ID() string { return c.id }

// Owner returns the id of the owner, "" when the content is gone.
func (c *Content) Owner() string {
	c.site.in.mu.RLock()
	defer c.site.in.mu.RUnlock()
	if got := c.site.st.content.byID[c.id]; got != nil {
		return got.ownerID
	}
	return ""
}

// Remove takes the content away.
func (c *Content) Remove() {
	c.site.in.mu.Lock()
	defer c.site.in.mu.Unlock()
	c.site.st.content.remove(c.id)
}

// contentURLOf makes the piece of an address from a name.
func contentURLOf(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r > 127:
			return r
		default:
			return -1
		}
	}, name)
}

func usualFileType(kind contentKind) string {
	switch kind {
	case workbook:
		return "twbx"
	case datasource:
		return "tdsx"
	case flow:
		return "tflx"
	default:
		return ""
	}
}
