package tableau

import (
	"context"
	"errors"
	"strings"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/integration"
	"github.com/margay-access/margay/tableau"
)

// accounts reads all users of the site in one listing. A list that cannot be
// read whole is an error: what is missing from it would look like access that
// somebody took away. For the same reason each known user whom the list passed
// over is asked for: users who leave and join between two pages shift the rest.
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
	var list []integration.Account
	total := -1
	page := func(read, of int) {
		total = of
		if told != nil {
			told(read, of)
		}
	}
	for u, err := range t.Users(ctx, tableau.UsersOptions{OnPage: page}) {
		if err != nil {
			return nil, meaningOfUsers(err)
		}
		list = append(list, accountOf(u, session.UserID))
	}
	if len(list) < total || len(list) == 0 {
		// There is always one: the account that asks.
		return nil, fault.New(fault.Unavailable, "Tableau said that there are %d users on the site, and listed %d: the list changed while it was read.", max(total, 1), len(list)).
			WithCode("list_moved").WithHint("Nothing was compared. Compare again in a moment.")
	}
	passed, err := passedOver(ctx, t, known, list)
	if err != nil {
		return nil, meaningOfUsers(err)
	}
	for _, u := range passed {
		list = append(list, accountOf(u, session.UserID))
	}
	return list, nil
}

// accountOf returns u as an account; own is the one that asks.
func accountOf(u tableau.User, own string) integration.Account {
	return integration.Account{ID: u.ID, Name: cleanText(u.Name), Email: cleanText(u.Email), Role: cleanText(u.SiteRole), Own: u.ID == own}
}

// passedOver returns those of the known users who are not on the list, and are on
// the site.
func passedOver(ctx context.Context, t *tableau.Client, known []string, list []integration.Account) ([]tableau.User, error) {
	listed := make(map[string]bool, len(list))
	for _, a := range list {
		listed[a.ID] = true
	}
	var passed []tableau.User
	for _, id := range known {
		if listed[id] {
			continue
		}
		u, err := t.User(ctx, id)
		switch {
		case err == nil:
			passed = append(passed, u)
		case !errors.Is(err, tableau.ClassUserMissing):
			return nil, err
		}
	}
	return passed, nil
}

// cleanText drops what cannot be kept from a text that Tableau gave.
func cleanText(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "")
}
