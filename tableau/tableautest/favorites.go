package tableautest

import "slices"

// favorite is content that a user marked.
type favorite struct {
	label string
	id    string
}

// favoriteKinds are those that can be marked, with the code of a missing one.
var favoriteKinds = []contentKind{workbook, view, datasource, project, flow, collection}

// ownFavorites checks that the caller may touch the favourites of the path's
// user.
func (c *call) ownFavorites() (string, *failure) {
	u := c.site.user(c.param("userId"))
	switch {
	case u == nil:
		return "", fail("404002")
	case u.id != c.user.id && !isAdmin(c.user.role):
		return "", fail("403004")
	}
	return u.id, nil
}

func (c *call) favoritesElem(favs []favorite) elem {
	var items []elem
	for i, f := range favs {
		x := c.site.content.byID[f.id]
		if x == nil {
			continue
		}
		var what elem
		switch x.kind {
		case project:
			what = single(c.projectElem(x))
		case collection:
			what = el("collection", "id", x.id, "name", x.name).with("description", x.description).
				at("createdAt", x.created).at("updatedAt", x.updated).with("visibility", x.visibility).
				num("totalItemCount", len(x.items)).num("permissionedItemCount", len(c.permittedItems(x))).
				add(el("owner", "id", x.ownerID))
		default:
			what = single(c.documentElem(x))
		}
		items = append(items, item("favorite", "label", f.label).num("position", i+1).at("addedAt", x.created).add(what))
	}
	return list("favorites", items)
}

func (c *call) getFavorites() (answer, *failure) {
	id, f := c.ownFavorites()
	if f != nil {
		return answer{}, f
	}
	p, f := c.page()
	if f != nil {
		return answer{}, f
	}
	favs := slices.DeleteFunc(slices.Clone(c.site.favorites[id]), func(f favorite) bool { return c.site.content.byID[f.id] == nil })
	if f := c.pastEnd(p, len(favs)); f != nil {
		return answer{}, f
	}
	return ok(p.elem(len(favs)), c.favoritesElem(cut(p, favs))), nil
}

func (c *call) addFavorite() (answer, *failure) {
	userID, f := c.ownFavorites()
	if f != nil {
		return answer{}, f
	}
	in, found := c.body.child("favorite")
	if !found {
		return answer{}, fail("400000")
	}
	label := in.val("label")
	for _, kind := range favoriteKinds {
		what, named := in.child(kindTags[kind].tag)
		if !named {
			continue
		}
		x := c.site.content.get(kind, what.val("id"))
		switch {
		case label == "":
			return answer{}, fail("400005")
		case x == nil:
			return answer{}, fail(kindTags[kind].missing)
		case !c.site.may(c.user, x, "Read"):
			return answer{}, fail("403004")
		}
		favs := c.site.favorites[userID]
		if slices.ContainsFunc(favs, func(f favorite) bool { return f.id == x.id }) {
			return answer{}, fail("409007")
		}
		c.site.favorites[userID] = append(slices.Clip(favs), favorite{label: label, id: x.id})
		return ok(c.favoritesElem(c.site.favorites[userID])), nil
	}
	return answer{}, fail("400005")
}

func deleteFavorite(kind contentKind) func(*call) (answer, *failure) {
	return func(c *call) (answer, *failure) {
		userID, f := c.ownFavorites()
		if f != nil {
			return answer{}, f
		}
		id := c.param(string(kind) + "Id")
		if c.site.content.get(kind, id) == nil {
			return answer{}, fail(kindTags[kind].missing)
		}
		favs := c.site.favorites[userID]
		next := slices.DeleteFunc(slices.Clone(favs), func(f favorite) bool { return f.id == id })
		if len(next) == len(favs) {
			return answer{}, fail("404010")
		}
		c.site.favorites[userID] = next
		return empty(), nil
	}
}

// orderFavorites moves favourites behind others: each names the one it
// follows, or none to come first.
func (c *call) orderFavorites() (answer, *failure) {
	userID, f := c.ownFavorites()
	if f != nil {
		return answer{}, f
	}
	in, found := c.body.child("favoriteOrderings")
	if !found {
		return answer{}, fail("400000")
	}
	favs := slices.Clone(c.site.favorites[userID])
	for _, o := range in.children("favoriteOrdering") {
		i := slices.IndexFunc(favs, func(f favorite) bool { return f.id == o.val("favoriteId") })
		if i < 0 {
			return answer{}, fail("404010")
		}
		moved := favs[i]
		favs = slices.Delete(favs, i, i+1)
		at := 0
		if after := o.val("favoriteIdMoveAfter"); after != "" {
			at = slices.IndexFunc(favs, func(f favorite) bool { return f.id == after }) + 1
			if at == 0 {
				return answer{}, fail("404010")
			}
		}
		favs = slices.Insert(favs, at, moved)
	}
	c.site.favorites[userID] = favs
	return ok(c.favoritesElem(favs)), nil
}
