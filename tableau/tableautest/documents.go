package tableautest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// forbidden are the codes of what a caller may not do, where Tableau documents
// another than 403004.
var forbidden = map[string]string{
	"query-workbook": "403018", "download-workbook": "403019", "download-workbook-revision": "403019",
	"query-workbook-connections": "403021", "query-data-source-connections": "403021", "query-flow-connections": "403092",
	"download-data-source": "403028", "download-data-source-revision": "403028", "download-flow": "403097",
	"update-data-source": "403032", "update-flow": "403098", "update-data-source-now": "403032", "update-workbook-now": "403032",
	"publish-workbook": "403007", "publish-data-source": "403007", "publish-flow": "403007",
	"query-view-data": "403032",
}

func (c *call) forbid() *failure {
	code := or(forbidden[c.route.method.name], "403004")
	f := fail(code)
	if _, known := texts[code]; !known {
		f.summary, f.detail = "Forbidden", texts["403004"][1]
	}
	return f
}

// one finds the content of a kind that the path names, when the caller has the
// capability.
func (c *call) one(kind contentKind, capability string) (*content, *failure) {
	x := c.site.content.get(kind, c.param(string(kind)+"Id"))
	if x == nil && kind == workbook && c.query.Get("key") == "contentUrl" {
		for _, wb := range c.site.content.of(workbook) {
			if wb.contentURL == c.param("workbookId") {
				x = wb
			}
		}
	}
	switch {
	case x == nil:
		return nil, fail(kindTags[kind].missing)
	case !c.site.may(c.user, x, capability):
		return nil, c.forbid()
	}
	return x, nil
}

// documentElem shows a workbook, view, data source or flow.
func (c *call) documentElem(x *content) elem {
	e := item(kindTags[x.kind].tag, "id", x.id, "name", x.name)
	web := "https://" + c.r.Host + "/#"
	if c.site.contentURL != "" {
		web += "/site/" + c.site.contentURL
	}
	switch x.kind {
	case workbook:
		e = e.opt("description", x.description).with("contentUrl", x.contentURL).
			with("webpageUrl", fmt.Sprintf("%s/workbooks/%d", web, x.seq)).spell("showTabs", x.showTabs).num("size", sizeMB(x)).
			at("createdAt", x.created).at("updatedAt", x.updated).spell("encryptExtracts", false)
		if views := c.viewsOf(x); len(views) > 0 {
			e = e.with("defaultViewId", views[0].id)
		}
	case view:
		e = e.with("contentUrl", x.contentURL).at("createdAt", x.created).at("updatedAt", x.updated).with("viewUrlName", viewURLName(x)).
			add(el("workbook", "id", x.workbookID))
	case datasource:
		e = e.opt("description", x.description).with("contentUrl", x.contentURL).
			with("webpageUrl", fmt.Sprintf("%s/datasources/%d", web, x.seq)).with("type", x.fileType).num("size", sizeMB(x)).
			at("createdAt", x.created).at("updatedAt", x.updated).yes("isCertified", x.certified).
			spell("encryptExtracts", false).yes("hasExtracts", false).yes("useRemoteQueryAgent", false)
	case flow:
		e = e.opt("description", x.description).with("webpageUrl", fmt.Sprintf("%s/flows/%d", web, x.seq)).
			with("fileType", x.fileType).at("createdAt", x.created).at("updatedAt", x.updated)
	case project, collection:
	}
	if x.projectID != "" {
		e = e.add(el("project", "id", x.projectID).opt("name", c.projectName(x)))
	}
	e = e.add(c.ownerElem(x), list("tags", tagElems(x)))
	if x.kind == view && isTrue(c.query.Get("includeUsageStatistics")) {
		e = e.add(el("usage").num("totalViewCount", x.hits))
	}
	return e
}

// viewInWorkbook shows a view as a part of its workbook. It names neither the
// workbook nor an owner or project again: a client that looks for every
// <workbook> of an answer would find one workbook for each view.
func (c *call) viewInWorkbook(x *content) elem {
	e := item("view", "id", x.id, "name", x.name, "contentUrl", x.contentURL).at("createdAt", x.created).
		at("updatedAt", x.updated).with("viewUrlName", viewURLName(x)).add(list("tags", tagElems(x)))
	if isTrue(c.query.Get("includeUsageStatistics")) {
		e = e.add(el("usage").num("totalViewCount", x.hits))
	}
	return e
}

func tagElems(x *content) []elem {
	var tags []elem
	for _, t := range x.tags {
		tags = append(tags, item("tag", "label", t))
	}
	return tags
}

func (c *call) viewsOf(wb *content) []*content {
	return slices.DeleteFunc(c.readable(view), func(x *content) bool { return x.workbookID != wb.id })
}

// queryDocuments lists what the caller may read of a kind.
func queryDocuments(kind contentKind) func(*call) (answer, *failure) {
	return func(c *call) (answer, *failure) {
		return c.documents(c.readable(kind), kind)
	}
}

// queryDocumentsOfUser lists what a user may read, or with ownedBy owns.
func queryDocumentsOfUser(kind contentKind) func(*call) (answer, *failure) {
	return func(c *call) (answer, *failure) {
		u := c.site.user(c.param("userId"))
		if u == nil {
			return answer{}, fail("404002")
		}
		owned := isTrue(c.query.Get("ownedBy"))
		docs := slices.DeleteFunc(c.site.content.of(kind), func(x *content) bool {
			return owned && x.ownerID != u.id || !c.site.may(u, x, "Read")
		})
		return c.documents(docs, kind)
	}
}

// documents lists documents with the fields that were asked for.
func (c *call) documents(docs []*content, kind contentKind) (answer, *failure) {
	s := c.selection()
	return listing(c, docs, c.contentFields(), kindTags[kind].segment, func(x *content) elem { return c.shown(s, x) })
}

func queryDocument(kind contentKind) func(*call) (answer, *failure) {
	return func(c *call) (answer, *failure) {
		x, f := c.one(kind, "Read")
		if f != nil {
			return answer{}, f
		}
		c.looked(x)
		e := single(c.documentElem(x))
		if kind == workbook {
			var views []elem
			for _, v := range c.viewsOf(x) {
				views = append(views, c.viewInWorkbook(v))
			}
			e = e.add(list("views", views))
		}
		return ok(e), nil
	}
}

// looked notes that the caller saw content.
func (c *call) looked(x *content) {
	next := *x
	next.hits++
	old := x.before
	c.site.content.put(&next)
	next.before = old // a look is no change that search waits for
	seen := slices.DeleteFunc(c.site.recent[c.user.id], func(id string) bool { return id == x.id })
	c.site.recent[c.user.id] = append([]string{x.id}, seen[:min(len(seen), 29)]...)
}

func (c *call) viewsForWorkbook() (answer, *failure) {
	wb, f := c.one(workbook, "Read")
	if f != nil {
		return answer{}, f
	}
	if s := strings.ToLower(c.query.Get("includeUsageStatistics")); s != "" && s != "true" && s != "false" {
		return answer{}, fail("400008")
	}
	var views []elem
	for _, v := range c.viewsOf(wb) {
		views = append(views, c.documentElem(v))
	}
	return ok(list("views", views)), nil
}

// updateDocument changes name, project, owner and the like.
func updateDocument(kind contentKind) func(*call) (answer, *failure) {
	return func(c *call) (answer, *failure) {
		old, f := c.one(kind, "Write")
		if f != nil {
			return answer{}, f
		}
		in, found := c.body.child(kindTags[kind].tag)
		if !found {
			return answer{}, fail("400000")
		}
		x := *old
		if s := in.val("name"); s != "" {
			x.name = s
		}
		if s, given := in.get("description"); given {
			x.description = s
		}
		if s, given := in.get("showTabs"); given {
			x.showTabs = isTrue(s)
		}
		if s, given := in.get("isCertified"); given {
			x.certified = isTrue(s)
		}
		// Some clients send an empty owner or project with every change.
		if p, given := in.child("project"); given && p.val("id") != "" {
			if c.site.content.get(project, p.val("id")) == nil {
				return answer{}, fail("404005")
			}
			x.projectID = p.val("id")
		}
		if o, given := in.child("owner"); given && o.val("id") != "" {
			if c.site.user(o.val("id")) == nil {
				return answer{}, fail("404002")
			}
			x.ownerID = o.val("id")
		}
		if other := c.site.content.named(kind, x.projectID, x.name); other != nil && other.id != x.id {
			switch kind {
			case datasource:
				return answer{}, fail("409015")
			case flow:
				return answer{}, fail("409041")
			default:
				return answer{}, fail("403025", "The project already holds a workbook of that name.")
			}
		}
		x.updated = c.in.now()
		c.site.content.put(&x)
		for _, v := range c.site.content.of(view) {
			if v.workbookID == x.id && (v.projectID != x.projectID || v.ownerID != x.ownerID) {
				next := *v
				next.projectID, next.ownerID = x.projectID, x.ownerID
				c.site.content.put(&next)
			}
		}
		return ok(single(c.documentElem(&x))), nil
	}
}

func deleteDocument(kind contentKind) func(*call) (answer, *failure) {
	return func(c *call) (answer, *failure) {
		x, f := c.one(kind, "Delete")
		if f != nil {
			return answer{}, f
		}
		c.site.content.remove(x.id)
		return empty(), nil
	}
}

func addTags(kind contentKind, invalid string) func(*call) (answer, *failure) {
	return func(c *call) (answer, *failure) {
		old, f := c.one(kind, "Read")
		if f != nil {
			return answer{}, f
		}
		in, found := c.body.child("tags")
		if !found {
			return answer{}, fail("400000")
		}
		x := *old
		x.tags = slices.Clone(x.tags)
		for _, t := range in.children("tag") {
			label := strings.TrimSpace(t.val("label"))
			if label == "" || len(label) > 200 {
				return answer{}, fail(invalid, "Invalid tag.")
			}
			if !slices.Contains(x.tags, label) {
				x.tags = append(x.tags, label)
			}
		}
		c.site.content.put(&x)
		return ok(list("tags", tagElems(&x))), nil
	}
}

func deleteTag(kind contentKind) func(*call) (answer, *failure) {
	return func(c *call) (answer, *failure) {
		old, f := c.one(kind, "Read")
		if f != nil {
			return answer{}, f
		}
		label := c.param("tagName")
		if !slices.Contains(old.tags, label) {
			return answer{}, fail("404008")
		}
		x := *old
		x.tags = slices.DeleteFunc(slices.Clone(x.tags), func(t string) bool { return t == label })
		c.site.content.put(&x)
		return empty(), nil
	}
}

// queryConnections shows the data connections of content: none, since no file
// is looked into.
func queryConnections(kind contentKind) func(*call) (answer, *failure) {
	return func(c *call) (answer, *failure) {
		if _, f := c.one(kind, "Write"); f != nil {
			return answer{}, f
		}
		return ok(list("connections", nil)), nil
	}
}

// refresh starts a job that does nothing to the content.
func refresh(kind contentKind, job string) func(*call) (answer, *failure) {
	return func(c *call) (answer, *failure) {
		x, f := c.one(kind, "Write")
		if f != nil {
			return answer{}, f
		}
		j := c.startJob(job, x.name)
		j.about = c.jobAbout(x)
		return c.accepted(j), nil
	}
}

// jobAbout names what a job refreshes or runs, as the job's answers do.
func (c *call) jobAbout(x *content) []elem {
	what := el(kindTags[x.kind].tag, "id", x.id, "name", x.name)
	if x.kind == flow {
		return []elem{el("runFlowJobType", "flowRunId", c.in.luid()).add(what)}
	}
	return []elem{el("extractRefreshJob").add(what)}
}

// download sends the file that was published.
func download(kind contentKind) func(*call) (answer, *failure) {
	return func(c *call) (answer, *failure) {
		x, f := c.one(kind, "ExportXml")
		if f != nil {
			return answer{}, f
		}
		return fileAnswer(x, x.file), nil
	}
}

func fileAnswer(x *content, data []byte) answer {
	disposition := fmt.Sprintf(`name="tableau_%s"; filename="%s.%s"`, x.kind, strings.ReplaceAll(x.name, `"`, ""), x.fileType)
	return answer{
		status: http.StatusOK, raw: append([]byte{}, data...),
		header: http.Header{"Content-Disposition": {disposition}},
	}
}

func queryRevisions(kind contentKind) func(*call) (answer, *failure) {
	return func(c *call) (answer, *failure) {
		x, f := c.one(kind, "Write")
		if f != nil {
			return answer{}, f
		}
		fields := []field[revision]{}
		return listing(c, x.revisions, fields, "revisions", func(r revision) elem {
			return item("revision").num("revisionNumber", r.number).at("publishedAt", r.published).
				yes("deleted", false).yes("current", r.number == x.revisions[len(x.revisions)-1].number).num("sizeInBytes", len(r.file)).
				add(c.publisher(r))
		})
	}
}

func (c *call) publisher(r revision) elem {
	e := el("publisher", "id", r.by)
	if u := c.site.user(r.by); u != nil {
		e = e.with("name", u.name)
	}
	return e
}

// revisionOf finds the revision of a path; the current one cannot be reached
// this way.
func (c *call) revisionOf(kind contentKind, capability string) (*content, int, *failure) {
	x, f := c.one(kind, capability)
	if f != nil {
		return nil, 0, f
	}
	i := slices.IndexFunc(x.revisions, func(r revision) bool { return strconv.Itoa(r.number) == c.param("revisionNumber") })
	switch {
	case i < 0:
		return nil, 0, fail("404024")
	case i == len(x.revisions)-1:
		return nil, 0, fail("403055")
	}
	return x, i, nil
}

func downloadRevision(kind contentKind) func(*call) (answer, *failure) {
	return func(c *call) (answer, *failure) {
		x, i, f := c.revisionOf(kind, "ExportXml")
		if f != nil {
			return answer{}, f
		}
		return fileAnswer(x, x.revisions[i].file), nil
	}
}

func removeRevision(kind contentKind) func(*call) (answer, *failure) {
	return func(c *call) (answer, *failure) {
		old, i, f := c.revisionOf(kind, "Write")
		if f != nil {
			return answer{}, f
		}
		x := *old
		x.revisions = slices.Delete(slices.Clone(x.revisions), i, i+1)
		c.site.content.put(&x)
		return empty(), nil
	}
}

// publish takes a workbook, data source or flow in.
func publish(kind contentKind) func(*call) (answer, *failure) {
	return func(c *call) (answer, *failure) {
		if !canPublish(c.user.role) {
			return answer{}, c.forbid()
		}
		tag := kindTags[kind].tag
		p, f := c.readPublish(tag, "tableau_"+tag, tag+"Type")
		if f != nil {
			return answer{}, f
		}
		in := c.site.content.defaultProject()
		if to, given := p.what.child("project"); given && to.val("id") != "" {
			if in = c.site.content.get(project, to.val("id")); in == nil {
				return answer{}, fail("404005")
			}
		}
		x := &content{kind: kind, ownerID: c.user.id, created: c.in.now(), contentURL: contentURLOf(p.what.val("name"))}
		if old := c.site.content.named(kind, in.id, p.what.val("name")); old != nil {
			switch {
			case !isTrue(c.query.Get("overwrite")) && kind == flow:
				return answer{}, fail("409041")
			case !isTrue(c.query.Get("overwrite")):
				return answer{}, fail("403007", "The "+tag+" '"+old.name+
					"' already exists and may not be overwritten without the 'overwrite' flag set to 'true'.")
			case !c.site.may(c.user, old, "Write"):
				return answer{}, c.forbid()
			}
			*x = *old
			x.before = nil
		} else {
			x.id = c.in.luid()
		}
		x.projectID, x.name, x.file = in.id, p.what.val("name"), p.file
		x.fileType, x.updated = or(p.fileType, usualFileType(kind)), c.in.now()
		if s, given := p.what.get("description"); given {
			x.description = s
		}
		if s, given := p.what.get("showTabs"); given {
			x.showTabs = isTrue(s)
		}
		if s, given := p.what.get("isCertified"); given {
			x.certified = isTrue(s)
		}
		next := 1
		if n := len(x.revisions); n > 0 {
			next = x.revisions[n-1].number + 1
		}
		x.revisions = append(slices.Clone(x.revisions), revision{number: next, published: x.updated, by: c.user.id, file: p.file})
		isNew := c.site.content.byID[x.id] == nil
		c.site.content.put(x)
		if isNew {
			c.site.content.inherit(x)
		}
		if isNew && kind == workbook {
			// No file is looked into: every workbook has one sheet.
			c.site.content.put(&content{
				id: c.in.luid(), kind: view, name: "Sheet 1", contentURL: x.contentURL + "/sheets/Sheet1", ownerID: x.ownerID,
				projectID: x.projectID, workbookID: x.id, created: x.created, updated: x.updated,
			})
		}
		if isTrue(c.query.Get("asJob")) {
			j := c.startJob(map[contentKind]string{workbook: "PublishWorkbook", datasource: "PublishDatasource", flow: "PublishFlow"}[kind], x.name)
			j.result = []elem{el(tag, "id", x.id, "name", x.name)}
			return c.accepted(j), nil
		}
		a := ok(single(c.documentElem(x)))
		a.status = http.StatusCreated
		return a, nil
	}
}

// viewData is the export of a view: a CSV with one made-up figure.
func (c *call) viewData() (answer, *failure) {
	x, f := c.one(view, "ExportData")
	if f != nil {
		return answer{}, f
	}
	c.looked(x)
	c.session.exports.Add(1)
	return answer{
		status: http.StatusOK, media: "text/csv;charset=utf-8",
		raw: fmt.Appendf(nil, "Measure Names,Measure Values\nViews of %s,%d\n", strings.ReplaceAll(x.name, ",", " "), x.hits+1),
	}, nil
}
