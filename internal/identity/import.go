package identity

import (
	"context"
	"encoding/csv"
	"errors"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
)

// Imported says what an import did, or with a dry run would do.
type Imported struct {
	Lines     []ImportedLine // those that add or change something, in the order of the file
	Added     int
	Changed   int
	Unchanged int
}

// ImportedLine is what one line of a file did.
type ImportedLine struct {
	Line    int    // 1 is the first line of the file
	What    string // the e-mail address or the name of the group
	Added   bool   // false: changed
	Changes []string
}

// maxRows bounds a file.
const maxRows = 20_000

// ImportPeople adds and changes people by a CSV file with the columns email,
// name, manager (an e-mail address) and groups (names between semicolons; those
// that are not there are made). Only email is needed; a cell that is empty
// leaves what is there. Whoever the file does not name stays as they are. A bad
// line is a field error that names it, and then nothing is done. With dryRun
// nothing is done at all.
func (s *Service) ImportPeople(ctx context.Context, who Actor, file string, dryRun bool) (Imported, error) {
	return s.importFile(ctx, who, "import people", dryRun, func(all Directory) (importing, error) {
		rows, err := readCSV(file, []string{"email"}, []string{"name", "manager", "groups"})
		if err != nil {
			return importing{}, err
		}
		im := s.importing(all)
		for _, r := range rows { // first everybody, so that a manager may stand below
			im.person(r)
		}
		for _, r := range rows {
			im.manager(r)
			im.groupsOf(r)
		}
		return im, nil
	})
}

// ImportGroups adds groups and members by a CSV file with the columns group,
// member (an e-mail address; empty: a group without members) and description.
// With replace, a group that the file names has the members that it names and
// no others.
func (s *Service) ImportGroups(ctx context.Context, who Actor, file string, replace, dryRun bool) (Imported, error) {
	return s.importFile(ctx, who, "import groups", dryRun, func(all Directory) (importing, error) {
		rows, err := readCSV(file, []string{"group"}, []string{"member", "description"})
		if err != nil {
			return importing{}, err
		}
		im := s.importing(all)
		for _, r := range rows {
			im.groupRow(r, replace)
		}
		return im, nil
	})
}

// errDry ends a transaction that was only to be looked at.
var errDry = errors.New("dry run")

// importFile runs one import in the writers' turn: what it saw is still true when
// it is kept.
func (s *Service) importFile(ctx context.Context, who Actor, act string, dryRun bool, run func(Directory) (importing, error)) (Imported, error) {
	var done Imported
	if err := s.needAdmin(ctx, who, "directory", act); err != nil {
		return done, err
	}
	err := s.store.ChangeDirectory(ctx, func(all Directory) (Directory, []audit.Event, error) {
		if err := all.administers(who); err != nil {
			return Directory{}, nil, err
		}
		im, err := run(all)
		if err == nil {
			err = joined(im.faults)
		}
		if err != nil {
			return Directory{}, nil, err
		}
		changed, events := im.result(s, who)
		done = im.done
		if dryRun {
			return Directory{}, nil, errDry
		}
		return changed, events, nil
	})
	if errors.Is(err, errDry) {
		err = nil
	}
	return done, err
}

// row is one line of a CSV file.
type row struct {
	line  int
	cells map[string]string // only those that are not empty
}

// readCSV reads a file whose first line names its columns, in any order and case.
func readCSV(file string, needed, optional []string) ([]row, error) {
	if !utf8.ValidString(file) || strings.ContainsRune(file, 0) {
		return nil, fault.Field("csv", "This file is not UTF-8 text: save it as CSV in UTF-8.")
	}
	r := csv.NewReader(strings.NewReader(strings.TrimPrefix(file, "\ufeff")))
	r.TrimLeadingSpace, r.FieldsPerRecord = true, -1
	if first, _, _ := strings.Cut(file, "\n"); strings.Count(first, ";") > strings.Count(first, ",") {
		r.Comma = ';' // as spreadsheets of many countries write it
	}
	head, err := r.Read()
	if err != nil {
		return nil, fault.Field("csv", "The file has no first line that names its columns: %s.", strings.Join(append(slices.Clone(needed), optional...), ", "))
	}
	for i, name := range head {
		head[i] = strings.ToLower(strings.TrimSpace(name))
		if !slices.Contains(needed, head[i]) && !slices.Contains(optional, head[i]) {
			return nil, fault.Field("csv", "Line 1: there is no column %q. The columns are: %s.", name, strings.Join(append(slices.Clone(needed), optional...), ", "))
		}
		if slices.Contains(head[:i], head[i]) {
			return nil, fault.Field("csv", "Line 1: the column %s is there twice.", head[i])
		}
	}
	for _, name := range needed {
		if !slices.Contains(head, name) {
			return nil, fault.Field("csv", "Line 1: the column %s is missing.", name)
		}
	}
	return readRows(r, head, needed)
}

// readRows reads what is below the first line.
func readRows(r *csv.Reader, head, needed []string) ([]row, error) {
	var rows []row
	var faults []*fault.Error
	for {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			return rows, joined(faults)
		}
		if parse, ok := errors.AsType[*csv.ParseError](err); ok {
			return nil, fault.Field("csv", "Line %d cannot be read: %v.", parse.Line, parse.Err)
		}
		if err != nil {
			return nil, err
		}
		line, _ := r.FieldPos(0)
		if len(rows) == maxRows {
			return nil, fault.Field("csv", "A file has at most %d lines: import it in parts.", maxRows)
		}
		if len(cells) > len(head) {
			faults = append(faults, lineFault(line, "there are more cells than columns."))
			continue
		}
		row := row{line: line, cells: map[string]string{}}
		for i, c := range cells {
			if c = strings.TrimSpace(c); c != "" {
				row.cells[head[i]] = c
			}
		}
		if len(row.cells) == 0 {
			continue // a blank line at the end of a spreadsheet
		}
		for _, name := range needed {
			if row.cells[name] == "" {
				faults = append(faults, lineFault(line, name+" is empty."))
			}
		}
		rows = append(rows, row)
	}
}

// mostFaults is how many bad lines are named.
const mostFaults = 100

// joined is what is wrong with a file, in the order of its lines.
func joined(faults []*fault.Error) error {
	number := func(e *fault.Error) int {
		n, _ := strconv.Atoi(strings.TrimPrefix(e.Field, "line "))
		return n
	}
	slices.SortStableFunc(faults, func(a, b *fault.Error) int { return number(a) - number(b) })
	if more := len(faults) - mostFaults; more > 0 {
		faults = append(faults[:mostFaults:mostFaults], fault.Field("csv", "%d more lines are bad.", more))
	}
	return fault.Join(faults...)
}

func lineFault(line int, text string) *fault.Error {
	return fault.Field("line "+strconv.Itoa(line), "Line %d: %s", line, text)
}

// importing is a directory while a file changes it.
type importing struct {
	s      *Service
	people map[string]*importedPerson // by e-mail address in lower case
	groups map[string]*importedGroup  // by name in lower case
	byID   map[PersonID]*importedPerson
	faults []*fault.Error
	done   Imported
}

type importedPerson struct {
	was, now Person
	line     int // 0: the file does not name them
	added    bool
	joined   []string // names of groups
}

type importedGroup struct {
	was, now Group
	members  map[PersonID]bool
	line     int
	added    bool
}

// join makes somebody a member, and says whether they were none.
func (g *importedGroup) join(p PersonID) bool {
	was := g.members[p]
	g.members[p] = true
	return !was
}

func importedGroupOf(g Group) *importedGroup {
	ig := &importedGroup{was: g, now: g, members: map[PersonID]bool{}}
	for _, m := range g.Members {
		ig.members[m] = true
	}
	return ig
}

func (s *Service) importing(all Directory) importing {
	im := importing{s: s, people: map[string]*importedPerson{}, groups: map[string]*importedGroup{}, byID: map[PersonID]*importedPerson{}}
	for _, p := range all.People {
		ip := &importedPerson{was: p, now: p}
		im.people[strings.ToLower(p.Email)], im.byID[p.ID] = ip, ip
	}
	for _, g := range all.Groups {
		im.groups[strings.ToLower(g.Name)] = importedGroupOf(g)
	}
	return im
}

func (im *importing) bad(r row, err error) {
	im.faults = append(im.faults, lineFault(r.line, fault.Public(err).Message))
}

// person adds or names the person of a row.
func (im *importing) person(r row) {
	key := strings.ToLower(r.cells["email"])
	p := im.people[key]
	if p == nil {
		fresh, err := NewPerson(PersonID(im.s.newID("usr")), r.cells["email"], r.cells["name"], false, im.s.now())
		if err != nil {
			im.bad(r, err)
			return
		}
		p = &importedPerson{now: fresh, added: true}
		im.people[key], im.byID[fresh.ID] = p, p
	}
	if p.line != 0 {
		im.faults = append(im.faults, lineFault(r.line, p.now.Email+" stands in line "+strconv.Itoa(p.line)+" already."))
		return
	}
	p.line = r.line
	if name := r.cells["name"]; name != "" && !p.added {
		clean, err := cleanName(name)
		if err != nil {
			im.bad(r, err)
			return
		}
		p.now.Name = clean
	}
}

// manager sets who the person of a row reports to.
func (im *importing) manager(r row) {
	p, email := im.people[strings.ToLower(r.cells["email"])], r.cells["manager"]
	if p == nil || email == "" {
		return
	}
	m := im.people[strings.ToLower(email)]
	switch m {
	case nil:
		im.faults = append(im.faults, lineFault(r.line, "there is nobody with the e-mail address "+email+" to be the manager."))
	case p:
		im.faults = append(im.faults, lineFault(r.line, "nobody is their own manager."))
	default:
		p.now.Manager = m.now.ID
	}
}

// groupsOf makes the person of a row a member of the groups that it names.
func (im *importing) groupsOf(r row) {
	p := im.people[strings.ToLower(r.cells["email"])]
	if p == nil {
		return
	}
	for name := range strings.SplitSeq(r.cells["groups"], ";") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		if g := im.group(r, name); g != nil && g.join(p.now.ID) {
			p.joined = append(p.joined, g.now.Name)
		}
	}
}

// group returns the group of a name, a new one when there is none.
func (im *importing) group(r row, name string) *importedGroup {
	key := strings.ToLower(name)
	if g := im.groups[key]; g != nil {
		return g
	}
	fresh, err := (Group{ID: GroupID(im.s.newID("grp")), Name: name, CreatedAt: im.s.now()}).check()
	if err != nil {
		im.bad(r, err)
		return nil
	}
	g := importedGroupOf(fresh)
	g.was, g.added = Group{}, true
	im.groups[key] = g
	return g
}

// groupRow takes in one line of a file of groups.
func (im *importing) groupRow(r row, replace bool) {
	g := im.group(r, r.cells["group"])
	if g == nil {
		return
	}
	if g.line == 0 {
		g.line = r.line
		if replace {
			clear(g.members)
		}
	}
	if d := r.cells["description"]; d != "" {
		clean, err := cleanText("description", d, maxDescription)
		if err != nil {
			im.bad(r, err)
		}
		g.now.Description = clean
	}
	email := r.cells["member"]
	if email == "" {
		return
	}
	p := im.people[strings.ToLower(email)]
	if p == nil {
		im.faults = append(im.faults, lineFault(r.line, "there is nobody with the e-mail address "+email+"."))
		return
	}
	g.join(p.now.ID)
}

// result returns what changed, with its events, and counts it.
func (im *importing) result(s *Service, who Actor) (Directory, []audit.Event) {
	var changed Directory
	var events []audit.Event
	for _, p := range im.people {
		if p.line == 0 {
			continue
		}
		changes := im.personChanges(p)
		im.count(p.line, p.now.Email, p.added, changes)
		switch {
		case p.added:
			events = append(events, s.event(PersonAdded, who, p.now))
		case p.was != p.now:
			events = append(events, s.event(PersonChanged, who, p.now))
		default:
			continue
		}
		changed.People = append(changed.People, p.now)
	}
	for _, g := range im.groups {
		now := g.now
		now.Members = slices.Sorted(maps.Keys(g.members))
		changes := im.groupChanges(g.was, now)
		if g.line != 0 {
			im.count(g.line, now.Name, g.added, changes)
		}
		if !g.added && len(changes) == 0 {
			continue
		}
		kind := GroupChanged
		if g.added {
			kind = GroupAdded
		}
		events = append(events, s.groupEvent(kind, who, g.was, now))
		changed.Groups = append(changed.Groups, now)
	}
	slices.SortFunc(im.done.Lines, func(a, b ImportedLine) int { return a.Line - b.Line })
	slices.SortFunc(changed.People, func(a, b Person) int { return strings.Compare(string(a.ID), string(b.ID)) })
	slices.SortFunc(changed.Groups, func(a, b Group) int { return strings.Compare(string(a.ID), string(b.ID)) })
	slices.SortFunc(events, func(a, b audit.Event) int { return strings.Compare(a.Subject, b.Subject) })
	return changed, events
}

func (im *importing) count(line int, what string, added bool, changes []string) {
	switch {
	case added:
		im.done.Added++
	case len(changes) > 0:
		im.done.Changed++
	default:
		im.done.Unchanged++
		return
	}
	im.done.Lines = append(im.done.Lines, ImportedLine{Line: line, What: what, Added: added, Changes: changes})
}

// personChanges says in words what a file changes of a person.
func (im *importing) personChanges(p *importedPerson) []string {
	var list []string
	if p.was.Name != p.now.Name {
		list = append(list, changeText("name", p.was.Name, p.now.Name))
	}
	if p.was.Manager != p.now.Manager {
		list = append(list, changeText("manager", im.email(p.was.Manager), im.email(p.now.Manager)))
	}
	for _, g := range p.joined {
		list = append(list, "joins "+g)
	}
	return list
}

func (im *importing) groupChanges(was, now Group) []string {
	var list []string
	if was.Description != now.Description {
		list = append(list, changeText("description", was.Description, now.Description))
	}
	for _, m := range now.Members {
		if !was.Has(m) {
			list = append(list, im.email(m)+" joins")
		}
	}
	for _, m := range was.Members {
		if !now.Has(m) {
			list = append(list, im.email(m)+" leaves")
		}
	}
	return list
}

func (im *importing) email(id PersonID) string {
	if p := im.byID[id]; p != nil {
		return p.now.Email
	}
	return ""
}

func changeText(what, was, now string) string {
	if was == "" {
		return what + ": " + now
	}
	return what + ": " + was + " → " + now
}
