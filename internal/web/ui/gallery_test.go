package ui_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"

	"github.com/margay-access/margay/internal/web/assets"
	"github.com/margay-access/margay/internal/web/ui"
	"github.com/margay-access/margay/internal/web/webtest"
)

var galleryNow = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// long is a name as long as one may be, without a blank to break it at.
var long = strings.Repeat("Donaudampfschifffahrtsgesellschaft", 8)[:255]

// gallery is one page with every part, in all its states.
func gallery(errs ui.Errors) templ.Component {
	parts := []templ.Component{
		ui.ErrorSummary(errs),
		with(ui.Form("/here", nil), all(
			ui.Input(ui.Field{Name: "name", Label: "Name", Value: long, Help: "As others see it.", Error: errs.Of("name")}),
			ui.Textarea(ui.Field{Name: "reason", Label: "Reason", Optional: true, Help: "A line or two.", Error: errs.Of("reason")}),
			ui.Secret(ui.Field{Name: "secret", Label: "Token secret", Help: "Left empty, it stays as it is.", Error: errs.Of("secret")}, "••••••••abcd", "set 12 Nov by Ana"),
			ui.Secret(ui.Field{Name: "fresh", Label: "Another secret"}, "", ""),
			ui.Select(ui.Field{Name: "role", Label: "Role", Value: "b"}, []ui.Option{{Value: "a", Label: "Viewer"}, {Value: "b", Label: "Creator"}}),
			ui.Choice(ui.Field{Name: "time", Label: "For how long", Value: "8h", Error: errs.Of("time")}, []ui.Option{
				{Value: "8h", Label: "8 h", Help: "usual"}, {Value: "7d", Label: "7 d"}, {Value: "90d", Label: "90 d", Disabled: true, Help: "longer than the policy allows"},
			}),
			ui.Checkbox(ui.Field{Name: "sure", Label: "I have read it", Value: "true", Help: "Then it counts."}),
			ui.Submit("Save role", "Saving…"),
		)),
		with(ui.Filters("/here"), ui.Search("q", "Search", "creator")),
		with(ui.Table("Access", "State", "Who", "Ends"), templ.Raw(`<tr><td class="lead" data-label="State"><a class="row-link" href="/x">`+long+`</a></td>`+
			`<td data-label="Who">Rita</td><td data-label="Ends">in 2 h</td></tr>`)),
		ui.Timeline([]ui.Moment{
			{State: ui.State{Word: "Asked", Icon: "clock", Tone: ui.Wait}, At: galleryNow.Add(-time.Hour), Title: "Rita asked for Creator", Text: "Quarter-end pack"},
			{State: ui.State{Word: "Failed", Icon: "x", Tone: ui.Bad}, Title: "Not set up", More: ui.ErrorBox(ui.Trouble{Sentence: "could not reach Tableau at acme.example", Hint: "Check the network.", Detail: "dial tcp: refused", Code: "unavailable"})},
			{State: ui.State{Word: "Active", Icon: "circle-check", Tone: ui.Good}, At: galleryNow, Title: "Active"},
		}),
		with(ui.Panel("Facts", ui.ButtonLink("outline", "pencil", "Edit", "/edit")), all(
			ui.Facts([]ui.Fact{
				{Name: "Name", Value: ui.Text(long)},
				{Name: "Id", Value: ui.ID("req_0123456789abcdef")},
				{Name: "None", Value: ui.Text("")},
				{Name: "Change", Value: ui.Diff("Creator", "Unlicensed")},
				{Name: "When", Value: ui.FullTime(galleryNow)},
			}),
			ui.Progress("Users read", 1400, 2000, time.Time{}),
			ui.CLI("margay access list --role Creator --state active --output json --fields person,role,ends_at,state"),
		)),
		with(ui.Empty(ui.NothingYet, "No site is connected", "Connect one."), ui.ButtonLink("", "plus", "Connect Tableau", "/c")),
		ui.Empty(ui.NothingFound, "Nothing matches your filters", "Take one away."),
		ui.Empty(ui.NotForYou, "You may not see these", "An administrator may."),
		ui.Note(ui.Good, "Saved."), ui.Note(ui.Warn, "Look at this."), ui.Note(ui.Wait, "Under way."), ui.Note(ui.Bad, "It failed."),
		ui.Pager("/first", "/next"),
		templ.Raw(`<p><a class="btn" data-variant="destructive" href="/gone" data-dialog="end">End access</a></p>`),
		with(ui.Ask(ui.Question{ID: "end", Title: "End Rita's Creator now?", Effect: "Her role becomes Unlicensed.", Action: "/end", Name: "Rita", Button: "End access", Busy: "Ending…"}), ui.Diff("Creator", "Unlicensed")),
		templ.Raw(`<label class="form-field"><span>Code</span><textarea data-editor aria-label="Code" data-problems='[{"line":2,"column":3,"message":"There is no such name."}]'>` +
			"export default function () {\n  retrun 1; // a comment\n  const s = \"text\";\n}\n</textarea></label><script src=\"" + assets.URL("editor.js") + "\" defer></script>"),
	}
	for _, tone := range []ui.Tone{ui.Good, ui.Wait, ui.Warn, ui.Bad, ui.Alarm, ui.Quiet} {
		parts = append(parts, ui.Chip(ui.State{Word: "State " + string(tone), Icon: "clock", Tone: tone}))
	}
	return all(parts...)
}

func all(parts ...templ.Component) templ.Component { return templ.Join(parts...) }

func with(c, children templ.Component) templ.Component {
	return templ.ComponentFunc(func(ctx context.Context, w io.Writer) error { return c.Render(templ.WithChildren(ctx, children), w) })
}

// serveGallery serves the gallery under the policy that pages have.
func serveGallery(t *testing.T) string {
	t.Helper()
	env := ui.Env{Now: galleryNow, RequestID: "req_1", Path: "/runs", SignedIn: true, Name: long, Nav: []ui.NavGroup{
		{Links: []ui.NavLink{{Name: "Home", Href: "/", Icon: "house", Phone: true}, {Name: "Requests", Href: "/requests", Icon: "inbox", Phone: true, Count: 3}, {Name: "My access", Href: "/access", Icon: "key-round", Phone: true}}},
		{Name: "Operate", Links: []ui.NavLink{{Name: "Runs", Href: "/runs", Icon: "activity", Phone: true, Current: true}, {Name: "Connections", Href: "/connections", Icon: "plug"}}},
	}}
	mux := http.NewServeMux()
	mux.Handle(assets.Prefix, assets.Handler())
	mux.HandleFunc("/favicon.svg", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/svg+xml")
		_, _ = io.WriteString(w, ui.Favicon)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		errs := ui.Errors{{Field: "name", Text: "A name has at most 255 characters."}, {Field: "secret", Text: "That is the mask, not a secret."}, {Field: "time", Text: "Choose one."}}
		if r.URL.Path != "/errors" {
			errs = nil
		}
		page := with(ui.Page(ui.Head{Title: "Parts", Lead: "Every part in all its states.", Back: []ui.Link{{Name: "Connections", Href: "/connections"}}, Beta: "Behaviour may change."}, ui.ButtonLink("outline", "pencil", "Edit", "/edit")), gallery(errs))
		if err := page.Render(ui.With(r.Context(), env), w); err != nil {
			t.Error(err)
		}
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv.URL
}

// Design §7: every part looks right at each width, light and dark, with names of
// 255 characters, and axe finds nothing serious.
func TestGallery(t *testing.T) {
	t.Parallel()
	b := webtest.Alone(t, serveGallery(t))
	b.Open("/")
	b.Until(`document.querySelector(".cm-editor")?.shadowRoot?.querySelector(".cm-line")`)
	b.Audit("parts")
	b.Click("Replace Token secret") // U3
	b.Fill("New Token secret", "typed")
	b.Click("Keep the old one Token secret") // cancel restores: nothing is sent
	b.Click("Replace Token secret")
	if v := b.Value("New Token secret"); v != "" {
		t.Errorf("after a cancel the field holds %q", v)
	}
	b.Click("End access") // U10: the dialog frees its button once the name is typed
	b.See("Her role becomes Unlicensed.")
	b.Audit("parts-dialog")
	b.Until(`document.querySelector("#end button[type=submit]").getAttribute("aria-disabled") === "true"`)
	b.Fill("Type Rita", "Rita")
	b.Until(`document.querySelector("#end button[type=submit]").getAttribute("aria-disabled") === "false"`)
	b.Click("Cancel")
	b.Open("/errors") // U13: the summary has the focus, and leads to the fields
	b.Until(`document.activeElement.classList.contains("error-summary")`)
	b.Audit("parts-errors")
	b.Click("A name has at most 255 characters.")
	b.Until(`location.hash === "#name"`)
}
