package tableau

import (
	"bytes"
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/integration"
	"github.com/margay-access/margay/tableau"
)

// try signs in, and does nothing else.
func try(ctx context.Context, c integration.Client) error {
	t, err := of(c)
	if err != nil {
		return err
	}
	_, err = t.Session(traced(ctx))
	return meaning(err)
}

// searchMethods returns the methods of the REST API that hold all words.
func searchMethods(words string) []integration.Method {
	found := tableau.Methods()
	if strings.TrimSpace(words) != "" {
		found = tableau.SearchMethods(words)
	}
	out := make([]integration.Method, len(found))
	for i, m := range found {
		out[i] = integration.Method{
			Name: m.Name, Category: m.Category, Verb: m.Verb, Path: m.Path, Params: m.Params(), Query: m.Query, Since: m.Since, Needs: m.Needs,
			Writes: m.Verb != http.MethodGet, Help: helpOf(m),
		}
	}
	return out
}

// paramHelp says what to give to parameters that many methods have (Tableau REST
// API, Filtering and Sorting; Paginating Results).
var paramHelp = map[string]string{
	"userId":     "The id of a Tableau user; {userId} is the account behind the token.",
	"filter":     "field:operator:value, such as name:eq:rita@acme.example; several with commas between.",
	"sort":       "field:asc or field:desc.",
	"fields":     "Names with commas between; _default_, _all_.",
	"pageSize":   "How many at once: 1 to 1000.",
	"pageNumber": "From 1.",
}

func helpOf(m tableau.Method) map[string]string {
	help := map[string]string{}
	for _, name := range slices.Concat(m.Params(), m.Query) {
		if text, ok := paramHelp[name]; ok {
			help[name] = text
		}
	}
	return help
}

// bindMethod returns a method of the REST API as a call.
func bindMethod(name string, params url.Values) (integration.Call, error) {
	m, ok := tableau.MethodNamed(name)
	if !ok {
		return integration.Call{}, fault.Field("name", "The Tableau REST API has no method %q.", name).WithCode("method_missing").
			WithHint("Search them with: margay tableau methods")
	}
	r, err := m.Bind(params)
	if err != nil {
		return integration.Call{}, fault.Field("parameters", "This call is not sent: %s.", strings.TrimPrefix(err.Error(), "tableau: ")).WithCode("bad_request")
	}
	return integration.Call{Method: r.Method, Path: r.Path, Query: r.Query, Header: r.Header}, nil
}

// command writes a call as the command line takes it.
func command(connection string, c integration.Call) string {
	words := []string{"margay", "tableau", "call", c.Method, quoted(c.Path)}
	for _, name := range slices.Sorted(maps.Keys(c.Query)) {
		for _, value := range c.Query[name] {
			words = append(words, "--query", quoted(name+"="+value))
		}
	}
	if len(c.Body) > 0 {
		words = append(words, "--body", quoted(string(c.Body)))
	}
	if connection != "" {
		words = append(words, "--connection", quoted(connection))
	}
	return strings.Join(words, " ")
}

// plain are the characters that no shell changes.
const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./:=,+%@"

// quoted writes a word for a shell.
func quoted(word string) string {
	if word != "" && strings.Trim(word, plain) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// guardOwner refuses a call that would take the connection away from itself: it
// removes the account that owns the token, or sets that account's site role.
func (c *client) guardOwner(ctx context.Context, call integration.Call) error {
	id, ok := userOfPath(call.Path)
	if !ok || call.Method != http.MethodDelete && (!call.Writes() || !bytes.Contains(call.Body, []byte("siteRole"))) {
		return nil
	}
	s, err := c.t.Session(ctx)
	if err != nil {
		return meaning(err)
	}
	if id != "{userId}" && !strings.EqualFold(id, s.UserID) {
		return nil
	}
	return fault.New(fault.Invalid, "This call is not sent: it would change the account that owns the connection’s own token.").WithCode("own_account").
		WithHint("Do it in Tableau, signed in as another administrator.")
}

// userOfPath returns the user that a path names: …/sites/SITE/users/USER. A
// part that was encoded more than once is read as a server would that decodes
// it again.
func userOfPath(path string) (id string, ok bool) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for i, p := range parts {
		for range 3 {
			if plain, err := url.PathUnescape(p); err == nil {
				p = plain
			}
		}
		head, _, _ := strings.Cut(p, ";")
		parts[i] = head
	}
	if len(parts) > 4 && parts[0] == "api" {
		parts = parts[2:]
	}
	if len(parts) != 4 || parts[0] != "sites" || parts[2] != "users" {
		return "", false
	}
	return parts[3], true
}
