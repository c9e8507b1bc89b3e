package cli

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/tableau"
)

func newTableau(s *session) *cobra.Command {
	return group("tableau", "Any call of the Tableau REST API", []string{
		"margay tableau call GET '/sites/{siteId}/users' --query pageSize=10",
		"margay tableau methods user group",
	}, newTableauCall(s), newTableauMethods(s))
}

func newTableauCall(s *session) *cobra.Command {
	var connection, body string
	var query []string
	cmd := &cobra.Command{
		Use: "call METHOD PATH", Short: "Make one call and print what Tableau answers",
		Long: "Make one call and print the body of Tableau's answer; -o json prints its status and\n" +
			"headers too. The exit code is 8 when the status is 4xx or 5xx. A PATH such as\n" +
			"/sites/{siteId}/users is short for /api/3.24/sites/{siteId}/users; {siteId} and {userId}\n" +
			"are the session's. /api/-/... is sent without a version.",
		Example: "margay tableau call GET /sites/{siteId}/users -o json\n" +
			"margay tableau call PUT /sites/{siteId}/users/9f9e9d9c --body '{\"user\":{\"siteRole\":\"Viewer\"}}'",
		RunE: func(cmd *cobra.Command, args []string) error {
			call := wire.Call{Method: strings.ToUpper(args[0]), Path: args[1]}
			var err error
			if call.Query, err = queryOf(query); err != nil {
				return err
			}
			if call.Body, err = s.bodyOf(body); err != nil {
				return err
			}
			c, err := s.connection(cmd.Context(), connection)
			if err != nil {
				return err
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			answer, err := api.Call(cmd.Context(), c.ID, call)
			if err != nil {
				return err
			}
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
		},
	}
	f := cmd.Flags()
	f.StringVar(&connection, "connection", "", "which site, by name or id (default: the only one)")
	f.StringArrayVar(&query, "query", nil, "a parameter, name=value; may be repeated")
	f.StringVar(&body, "body", "", "the body: JSON or XML, @FILE, or - for standard input")
	return cmd
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
