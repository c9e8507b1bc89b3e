package tableau

import (
	"context"
	"strings"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/integration"
	"github.com/margay-access/margay/tableau"
)

// accounts reads all users of the site in one listing. A list that cannot be
// read whole is an error: what is missing from it would look like access that
// somebody took away.
func accounts(ctx context.Context, c integration.Client, told func(read, of int)) ([]integration.Account, error) {
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
		list = append(list, integration.Account{
			ID: u.ID, Name: cleanText(u.Name), Email: cleanText(u.Email), Role: cleanText(u.SiteRole), Own: u.ID == session.UserID,
		})
	}
	if len(list) < total || len(list) == 0 {
		// There is always one: the account that asks.
		return nil, fault.New(fault.Unavailable, "Tableau said that there are %d users on the site, and listed %d: the list changed while it was read.", max(total, 1), len(list)).
			WithCode("list_moved").WithHint("Nothing was compared. Compare again in a moment.")
	}
	return list, nil
}

// cleanText drops what cannot be kept from a text that Tableau gave.
func cleanText(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "")
}
