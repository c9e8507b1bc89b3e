package cli

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/margay-access/margay/internal/api/wire"
)

// browsed is a list or an answer of Tableau's that has a command of its own.
type browsed struct {
	use, short, example string
	none                string // what an empty list means, when something was named
	path                string
	query               map[string]any
	whole               bool // one answer, not a list
	columns             []string
	// choice gives the command flags, and returns what they ask of the call and of
	// each item, once they are read.
	choice func(f *pflag.FlagSet) (ask func(call *wire.Call), keep func(item json.RawMessage) bool)
	// arguments reads what follows the command into the call.
	arguments func(call *wire.Call, args []string)
}

// newTableauBrowse returns the commands that read a site without naming a path.
// They are calls like any other, and show what Tableau answered.
func newTableauBrowse(s *session) []*cobra.Command {
	var commands []*cobra.Command
	for _, b := range []browsed{
		{
			use: "users [NAME]", short: "List the Tableau users of the site, or the one of a whole user name",
			none: "Tableau has no such user: NAME is the whole user name, such as ann@acme.example.", example: "margay tableau users\nmargay tableau users ann@acme.example",
			path: "/sites/{siteId}/users", query: map[string]any{"fields": "_all_", "sort": "name:asc"},
			columns: []string{"name", "fullName", "siteRole", "lastLogin", "id"},
			arguments: func(call *wire.Call, args []string) {
				if len(args) > 0 {
					call.Query["filter"] = "name:eq:" + args[0]
				}
			},
			choice: userChoice,
		},
		{
			use: "collections", short: "List the collections that the account may see", example: "margay tableau collections",
			path: "/api/-/collections", columns: []string{"name", "description", "visibility", "totalItemCount", "luid"},
		},
		{
			use: "search [WORD...]", short: "Search the site's content; without a word list all of it", example: "margay tableau search sales",
			path: "/api/-/search", columns: []string{"content.title", "content.type", "content.ownerName", "content.hitsTotal", "content.luid"},
			arguments: func(call *wire.Call, args []string) { call.Query["terms"] = strings.Join(args, " ") },
		},
		{
			use: "usage KIND LUID", short: "Show how often a piece of content was looked at", example: "margay tableau usage workbooks 7a0c…",
			whole: true,
			arguments: func(call *wire.Call, args []string) {
				call.Path = "/api/-/content/usage-stats/" + args[0] + "/" + args[1]
			},
		},
		{use: "server-info", short: "Show the server's product and version", example: "margay tableau server-info", path: "/serverinfo", whole: true},
		{use: "session", short: "Show the site and the account that the connection is", example: "margay tableau session", path: "/sessions/current", whole: true},
	} {
		commands = append(commands, newBrowse(s, b))
	}
	return commands
}

func newBrowse(s *session, b browsed) *cobra.Command {
	var connection string
	ask, keep := func(*wire.Call) {}, func(json.RawMessage) bool { return true }
	cmd := &cobra.Command{
		Use: b.use, Short: b.short, Example: b.example,
		RunE: func(cmd *cobra.Command, args []string) error {
			call := wire.Call{Method: http.MethodGet, Path: b.path, Query: map[string]any{}}
			maps.Copy(call.Query, b.query)
			if b.arguments != nil {
				b.arguments(&call, args)
			}
			ask(&call)
			if b.none == "" || len(args) == 0 {
				b.none = "Tableau answered an empty list."
			}
			return s.browse(cmd.Context(), connection, call, b, keep)
		},
	}
	cmd.Flags().StringVar(&connection, "connection", "", "which site, by name or id (default: the only one)")
	if b.choice != nil {
		ask, keep = b.choice(cmd.Flags())
	}
	return cmd
}

// userChoice narrows the list of users: by the site role, which Tableau does, and by
// a part of a name, which it cannot.
func userChoice(f *pflag.FlagSet) (ask func(call *wire.Call), keep func(item json.RawMessage) bool) {
	role := f.String("role", "", "only those with this site role, such as Creator")
	search := f.String("search", "", "only those of whose user name, full name or id this is a part")
	ask = func(call *wire.Call) {
		if *role == "" {
			return
		}
		filter := "siteRole:eq:" + *role
		if named, ok := call.Query["filter"].(string); ok {
			filter = named + "," + filter
		}
		call.Query["filter"] = filter
	}
	keep = func(item json.RawMessage) bool {
		var text strings.Builder
		for _, path := range []string{"name", "fullName", "id"} {
			if value, err := fieldText(item, path); err == nil {
				text.WriteString(strings.ToLower(value) + "\n")
			}
		}
		return strings.Contains(text.String(), strings.ToLower(*search))
	}
	return ask, keep
}

// browse makes the call and shows what came: a list as a table, anything else as
// the body it is.
func (s *session) browse(ctx context.Context, connection string, call wire.Call, b browsed, keep func(item json.RawMessage) bool) error {
	c, err := s.connection(ctx, connection)
	if err != nil {
		return err
	}
	api, err := s.client()
	if err != nil {
		return err
	}
	if b.whole {
		answer, err := api.Call(ctx, c.ID, call)
		if err != nil {
			return err
		}
		return s.finishCall(answer)
	}
	if s.format == formatJSONL && len(s.fields) == 0 {
		return api.Pages(ctx, c.ID, call, func(item json.RawMessage) error {
			if !keep(item) {
				return nil
			}
			return s.writeItem(item)
		})
	}
	items := []json.RawMessage{}
	err = api.Pages(ctx, c.ID, call, func(item json.RawMessage) error {
		if keep(item) {
			items = append(items, item)
		}
		return nil
	})
	if err != nil {
		return err
	}
	v := view[json.RawMessage]{none: b.none, id: itemID}
	for _, path := range b.columns {
		name := path[strings.LastIndexByte(path, '.')+1:]
		v.columns = append(v.columns, column[json.RawMessage]{
			name: heading(name), keep: name == "id" || name == "luid",
			cell: func(item json.RawMessage) cell {
				value, err := fieldText(item, path)
				if err != nil {
					return text("")
				}
				return text(value)
			},
		})
	}
	return list(s, wire.List[json.RawMessage]{Items: items}, v)
}

// itemID returns the id of an item of Tableau's, wherever it keeps it.
func itemID(item json.RawMessage) string {
	for _, path := range []string{"id", "luid", "content.luid"} {
		if id, err := fieldText(item, path); err == nil && id != "" {
			return id
		}
	}
	return ""
}

// heading returns the name of one of Tableau's fields as words: "Site role".
func heading(field string) string {
	var words strings.Builder
	for _, r := range field {
		if unicode.IsUpper(r) {
			words.WriteByte(' ')
		}
		words.WriteRune(unicode.ToLower(r))
	}
	return capital(words.String())
}
