package tableautest

import "strconv"

// maxPageSize is the largest page of a versioned list.
const maxPageSize = 1000

// page is which part of a list is asked for.
type page struct{ number, size int }

// page reads pageNumber and pageSize.
func (c *call) page() (page, *failure) {
	p := page{number: 1, size: 100}
	if s := c.query.Get("pageSize"); c.query.Has("pageSize") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return p, fail("400007")
		}
		if n > maxPageSize {
			return p, fail("403014")
		}
		p.size = n
	}
	if s := c.query.Get("pageNumber"); c.query.Has("pageNumber") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return p, fail("400006")
		}
		p.number = n
	}
	return p, nil
}

// pastEnd refuses a page after the last one; page 1 of nothing is fine.
func (c *call) pastEnd(p page, total int) *failure {
	if p.number > 1 && (p.number-1) >= (total+p.size-1)/p.size && c.in.cfg().PastLastPage == Refuse {
		return fail("400006")
	}
	return nil
}

// pagination shows the page of a versioned list.
func (c *call) pagination(p page, total int) elem { return p.elem(max(0, total+c.in.cfg().TotalSkew)) }

// elem shows the page and how many there are in all.
func (p page) elem(total int) elem {
	return el("pagination").num("pageNumber", p.number).num("pageSize", p.size).num("totalAvailable", total)
}

// bounds returns the page's range in a list of n.
func (p page) bounds(n int) (from, to int) {
	if p.number-1 > n/p.size {
		return n, n
	}
	from = min(n, (p.number-1)*p.size)
	return from, min(n, from+p.size)
}

// cut returns the page of a list of users.
func (p page) cut(all []*userRecord) []*userRecord { return cut(p, all) }

// cut returns a page of a list.
func cut[T any](p page, all []T) []T {
	from, to := p.bounds(len(all))
	return all[from:to]
}

// listing filters, sorts and pages a list, and renders it into a container.
func listing[T any](c *call, all []T, fields []field[T], container string, show func(T) elem) (answer, *failure) {
	p, f := c.page()
	if f != nil {
		return answer{}, f
	}
	q, f := parseQuery(fields, c)
	if f != nil {
		return answer{}, f
	}
	all = q.apply(all)
	if f := c.pastEnd(p, len(all)); f != nil {
		return answer{}, f
	}
	var items []elem
	for _, t := range cut(p, all) {
		items = append(items, show(t))
	}
	return ok(c.pagination(p, len(all)), list(container, items)), nil
}
