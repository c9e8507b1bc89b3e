package tableautest

import (
	"slices"
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
	serial              int // the number search knows its owner by is another
	id                  string
	kind                contentKind
	name, description   string
	contentURL          string
	projectID, ownerID  string
	workbookID          string // of a view
	visibility          string // of a collection
	created, updated    time.Time
	tags                []string
	showTabs, certified bool
	fileType            string
	file                []byte
	revisions           []revision
	hits                int
	items               []collectionItem
	permissionsMode     string // of a project
	deleted             bool
}

type revision struct {
	number    int
	published time.Time
	by        string
	file      []byte
}

type collectionItem struct {
	id    string
	kind  contentKind
	added time.Time
}

// contentStore is all content of a site.
type contentStore struct {
	byID    map[string]*content
	lastSeq int
}

func (s *contentStore) init() { s.byID = map[string]*content{} }

// put adds content or replaces the piece with the same id.
func (s *contentStore) put(c *content) {
	if old := s.byID[c.id]; old != nil {
		c.seq = old.seq
	} else {
		s.lastSeq++
		c.seq = s.lastSeq
	}
	s.byID[c.id] = c
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
