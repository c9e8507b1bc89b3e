package cli

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/tableau"
)

func newTableau(s *session) *cobra.Command {
	return group("tableau", "Any call of the Tableau REST API", []string{
		"margay tableau call GET '/sites/{siteId}/users' --paginate",
		"margay tableau call get-users-on-site filter=siteRole:eq:Creator",
		"margay tableau methods user group",
		"margay tableau users",
	}, append(newTableauBrowse(s), newTableauCall(s), newTableauMethods(s), newDrift(s))...)
}

// callFlags say how a call is made.
type callFlags struct {
	connection, body string
	query            []string
	paginate         bool
}

func newTableauCall(s *session) *cobra.Command {
	var f callFlags
	cmd := &cobra.Command{
		Use: "call METHOD-OR-NAME [PATH-OR-PARAMETER...]", Short: "Make one call and print what Tableau answers",
		Long: "Make one call and print the body of Tableau's answer; -o json prints its status and\n" +
			"headers too. The exit code is 8 when the status is 4xx or 5xx. A PATH such as\n" +
			"/sites/{siteId}/users is short for /api/3.24/sites/{siteId}/users; {siteId} and {userId}\n" +
			"are the session's. /api/-/... is sent without a version.\n\n" +
			"Instead of METHOD and PATH give the name of a method, as margay tableau methods lists\n" +
			"them, and its parameters as name=value. A DELETE is asked about first; --yes agrees.",
		Example: "margay tableau call GET /sites/{siteId}/users -o json\n" +
			"margay tableau call get-users-on-site filter=siteRole:eq:Creator --paginate\n" +
			"margay tableau call PUT /sites/{siteId}/users/9f9e9d9c --body '{\"user\":{\"siteRole\":\"Viewer\"}}'",
		RunE: func(cmd *cobra.Command, args []string) error { return s.tableauCall(cmd.Context(), args, f) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.connection, "connection", "", "which site, by name or id (default: the only one)")
	fl.StringArrayVar(&f.query, "query", nil, "a parameter, name=value; may be repeated")
	fl.StringVar(&f.body, "body", "", "the body: JSON or XML, @FILE, or - for standard input")
	fl.BoolVar(&f.paginate, "paginate", false, "read all pages of a list and print its items, one a line")
	return cmd
}

func (s *session) tableauCall(ctx context.Context, args []string, f callFlags) error {
	call, err := callOf(args)
	if err != nil {
		return err
	}
	query, err := queryOf(f.query)
	if err != nil {
		return err
	}
	maps.Copy(call.Query, query)
	if call.Body, err = s.bodyOf(f.body); err != nil {
		return err
	}
	c, err := s.connection(ctx, f.connection)
	if err != nil {
		return err
	}
	api, err := s.client()
	if err != nil {
		return err
	}
	if call.Method == http.MethodDelete && !f.paginate {
		fmt.Fprintf(s.err, "%s %s on https://%s · %s\n", call.Method, visible(call.Path), visible(c.Target.Host), visible(c.Target.Place))
		if err := s.confirm(ctx, "Tableau may not be able to bring back what this removes. Send it?"); err != nil {
			return err
		}
	}
	if f.paginate {
		return api.Pages(ctx, c.ID, call, s.writeItem)
	}
	answer, err := api.Call(ctx, c.ID, call)
	if err != nil {
		return err
	}
	return s.finishCall(answer)
}

// finishCall shows an answer of Tableau's; one of 4xx or 5xx ends with the exit
// code for it.
func (s *session) finishCall(answer wire.CallAnswer) error {
	if err := s.showAnswer(answer); err != nil {
		return err
	}
	if answer.Status < http.StatusBadRequest {
		return nil
	}
	return &outcomeError{
		code: exitTableau, shown: true,
		message: fmt.Sprintf("Tableau answered %d %s.", answer.Status, http.StatusText(answer.Status)),
	}
}

// writeItem writes one item of a list as a line.
func (s *session) writeItem(item json.RawMessage) error {
	line := item
	if s.term.shows {
		line = harmless(item)
	}
	_, err := s.out.Write(append(line, '\n'))
	return err
}

// callOf reads METHOD PATH, or the NAME of a method and its parameters.
func callOf(args []string) (wire.Call, error) {
	m, named := tableau.MethodNamed(args[0])
	if !named {
		verb := slices.Contains([]string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}, strings.ToUpper(args[0]))
		switch {
		case verb && len(args) == 1:
			return wire.Call{}, usage("margay tableau call "+args[0]+" PATH", "The path is missing.")
		case verb && len(args) > 2:
			return wire.Call{}, usage("Give a parameter as --query name=value.", "%q is one argument too many after METHOD and PATH.", args[2])
		case len(args) != 2:
			return wire.Call{}, usage("Write METHOD PATH, or a name that margay tableau methods lists.", "%q is no method of the Tableau REST API.", args[0])
		}
		return wire.Call{Method: strings.ToUpper(args[0]), Path: args[1], Query: map[string]any{}}, nil
	}
	params := url.Values{}
	for _, arg := range args[1:] {
		name, value, ok := strings.Cut(arg, "=")
		if !ok {
			return wire.Call{}, usage("Write it as name=value.", "%q is no parameter of %s.", arg, m.Name)
		}
		params.Add(name, value)
	}
	r, err := m.Bind(params)
	if err != nil {
		return wire.Call{}, usage(takes(m, params), "%s", strings.TrimPrefix(err.Error(), "tableau: "))
	}
	query := map[string]any{}
	for name, values := range r.Query {
		list := make([]any, len(values))
		for i, v := range values {
			list[i] = v
		}
		query[name] = list
	}
	return wire.Call{Method: r.Method, Path: r.Path, Query: query}, nil
}

// takes says which parameters a method has, and which of them may have been
// meant.
func takes(m tableau.Method, given url.Values) string {
	all := slices.Concat(m.Params(), m.Query)
	for name := range given {
		for _, known := range all {
			if name != known && strings.EqualFold(name, known) {
				return "Did you mean: " + known + "=" + given.Get(name)
			}
		}
	}
	if len(all) == 0 {
		return "It takes no parameters."
	}
	return "It takes: " + strings.Join(all, ", ")
}

// queryOf reads name=value pairs; a name given twice has two values.
func queryOf(pairs []string) (map[string]any, error) {
	values := map[string][]any{}
	for _, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, usage("Write it as --query name=value.", "%q is no parameter.", pair)
		}
		values[name] = append(values[name], value)
	}
	query := map[string]any{}
	for name, all := range values {
		query[name] = all
	}
	return query, nil
}

// bodyOf returns the body as the API takes it: JSON as it stands, other text as
// a JSON text.
func (s *session) bodyOf(arg string) (json.RawMessage, error) {
	text := arg
	var err error
	if file, ok := strings.CutPrefix(arg, "@"); ok {
		text, err = s.readInput(file)
	} else if arg == "-" {
		text, err = s.readInput("-")
	}
	text = strings.TrimSpace(text)
	switch {
	case err != nil || text == "":
		return nil, err
	case json.Valid([]byte(text)):
		return json.RawMessage(text), nil
	case strings.HasPrefix(text, "{") || strings.HasPrefix(text, "["):
		return nil, usage("Quote it for the shell: --body '{\"user\":{}}'; or use --body @FILE.", "The body is not JSON.")
	}
	return json.Marshal(text)
}

// showAnswer writes the body as it came, or the whole answer to programs.
func (s *session) showAnswer(a wire.CallAnswer) error {
	switch s.format {
	case formatJSON, formatJSONL, formatYAML:
		return show(s, a, view[wire.CallAnswer]{})
	case formatTable, formatCSV, formatID:
	}
	var body []byte
	var plainText string
	switch {
	case a.BodyBase64 != "":
		raw, err := base64.StdEncoding.DecodeString(a.BodyBase64)
		if err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		body = raw
	case len(a.Body) > 0 && a.Body[0] == '"' && json.Unmarshal(a.Body, &plainText) == nil:
		body = []byte(plainText)
	default:
		body = a.Body
	}
	if len(body) == 0 {
		return nil
	}
	if s.term.shows {
		body = s.bodyForScreen(a, body)
	}
	if !bytes.HasSuffix(body, []byte("\n")) && a.BodyBase64 == "" {
		body = append(body, '\n')
	}
	_, err := s.out.Write(body)
	return err
}

// bodyForScreen indents JSON, and shows what a screen would act upon.
func (s *session) bodyForScreen(a wire.CallAnswer, body []byte) []byte {
	if a.BodyBase64 != "" {
		return fmt.Appendf(nil, "%d bytes that are no text; send them to a file", len(body))
	}
	var b bytes.Buffer
	if json.Indent(&b, body, "", "  ") == nil {
		return harmless(b.Bytes())
	}
	lines := strings.Split(string(body), "\n")
	for i, line := range lines {
		lines[i] = visible(line)
	}
	return []byte(strings.Join(lines, "\n"))
}

func newTableauMethods(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "methods [WORD...]", Short: "List the methods of the Tableau REST API, or those that hold all words",
		RunE: func(_ *cobra.Command, args []string) error {
			found := tableau.Methods()
			if len(args) > 0 {
				found = tableau.SearchMethods(strings.Join(args, " "))
			}
			if found == nil {
				found = []tableau.Method{}
			}
			return list(s, wire.List[tableau.Method]{Items: found}, view[tableau.Method]{
				none: "No method holds these words.",
				id:   func(m tableau.Method) string { return m.Name },
				columns: []column[tableau.Method]{
					{name: "Name", keep: true, cell: func(m tableau.Method) cell { return text(m.Name) }},
					{name: "Method", keep: true, cell: func(m tableau.Method) cell { return text(m.Verb) }},
					{name: "Path", cell: func(m tableau.Method) cell { return text(m.Path) }},
					{name: "Category", cell: func(m tableau.Method) cell { return text(m.Category) }},
					{name: "Since", keep: true, cell: func(m tableau.Method) cell { return text(m.Since) }},
					{name: "Needs", cell: func(m tableau.Method) cell { return text(m.Needs) }},
				},
			})
		},
	}
}
