package tableau

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/integration"
	"github.com/margay-access/margay/tableau"
)

// mostAsked is how many known users are asked for one by one. Each is a call of its
// own, and the calls are needed for what ends.
const mostAsked = 50

// accounts reads all users of the site in one listing. A list that cannot be
// read whole is an error: what is missing from it would look like access that
// somebody took away. For the same reason each known user whom the list passed
// over is looked for: users who leave and join between two pages shift the rest.
func accounts(ctx context.Context, c integration.Client, known []string, told func(read, of int)) ([]integration.Account, error) {
	t, err := of(c)
	if err != nil {
		return nil, err
	}
	ctx = traced(ctx)
	session, err := t.Session(ctx)
	if err != nil {
		return nil, meaningOfUsers(err)
	}
	users, err := listed(ctx, t, tableau.Sort{Field: "name"}, told)
	if err != nil {
		return nil, err
	}
	missing := without(known, users)
	if len(missing) > mostAsked {
		// Too many to be asked for: they are looked for in a second list, read from the
		// other end. Whoever is on neither is not there.
		again, err := listed(ctx, t, tableau.Sort{Field: "name", Desc: true}, func(read, of int) {
			if told != nil {
				told(len(users)+read, len(users)+of)
			}
		})
		if err != nil {
			return nil, err
		}
		looked := make(map[string]bool, len(missing))
		for _, id := range missing {
			looked[id] = true
		}
		users = append(users, slices.DeleteFunc(again, func(u tableau.User) bool { return !looked[u.ID] })...)
		missing = without(missing, users)
	}
	switch {
	case len(missing) > mostAsked && len(missing)*10 > len(known)*9:
		return nil, fault.New(fault.Conflict, "%d of the %d users for whom access was set up are not on the site: is it the right one?", len(missing), len(known)).
			WithCode("other_site").WithHint("Nothing was compared, and nothing was changed. Look at the address and the site of the connection. If they are right, end that access.")
	case len(missing) <= mostAsked:
		asked, err := askedFor(ctx, t, missing)
		if err != nil {
			return nil, meaningOfUsers(err)
		}
		users = append(users, asked...)
	}
	list := make([]integration.Account, len(users))
	for i, u := range users {
		list[i] = accountOf(u, session.UserID)
	}
	return list, nil
}

// listed reads the users of the site in one listing, whole or not at all.
func listed(ctx context.Context, t *tableau.Client, order tableau.Sort, told func(read, of int)) ([]tableau.User, error) {
	var list []tableau.User
	total := -1
	page := func(read, of int) {
		total = of
		if told != nil {
			told(read, of)
		}
	}
	for u, err := range t.Users(ctx, tableau.UsersOptions{Sort: []tableau.Sort{order}, OnPage: page}) {
		if err != nil {
			return nil, meaningOfUsers(err)
		}
		list = append(list, u)
	}
	if len(list) < total || len(list) == 0 {
		// There is always one: the account that asks.
		return nil, fault.New(fault.Unavailable, "Tableau said that there are %d users on the site, and listed %d: the list changed while it was read.", max(total, 1), len(list)).
			WithCode("list_moved").WithHint("Nothing was compared. Compare again in a moment.")
	}
	return list, nil
}

// without returns the ids that none of the users has.
func without(ids []string, users []tableau.User) []string {
	there := make(map[string]bool, len(users))
	for _, u := range users {
		there[u.ID] = true
	}
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return there[id] })
}

// accountOf returns u as an account; own is the one that asks.
func accountOf(u tableau.User, own string) integration.Account {
	return integration.Account{ID: u.ID, Name: cleanText(u.Name), Email: cleanText(u.Email), Role: cleanText(u.SiteRole), Own: u.ID == own}
}

// askedFor returns those of the users who are on the site, asked for one by one.
func askedFor(ctx context.Context, t *tableau.Client, ids []string) ([]tableau.User, error) {
	var there []tableau.User
	for _, id := range ids {
		u, err := t.User(ctx, id)
		switch {
		case err == nil:
			there = append(there, u)
		case !errors.Is(err, tableau.ClassUserMissing):
			return nil, err
		}
	}
	return there, nil
}

// cleanText drops what cannot be kept from a text that Tableau gave.
func cleanText(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "")
}
