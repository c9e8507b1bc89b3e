package ui

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"regexp"

	"github.com/a-h/templ"
)

// Live is a part of a page that follows what happens: when something changes,
// the page is fetched again and the part with this id is exchanged, if it differs.
// Nothing else is needed: the page's own handler is the source. Keep what people
// type in outside of it.
//
//	@ui.Live("runs") {
//		@runRows(runs)
//	}
func Live(id string) templ.Component { return livePart(id, "swap") }

// LiveList is [Live] for lists: it says that there is something new instead of
// moving rows under a hand.
func LiveList(id string) templ.Component { return livePart(id, "ask") }

var formKeys = regexp.MustCompile(`name="form_key" value="[0-9a-f]*"|trouble-[0-9a-f]{8}|cli-[0-9a-f]{8}|data-relative tabindex="0">[^<]*<`)

func livePart(id, how string) templ.Component {
	return templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		children := templ.GetChildren(ctx)
		var b bytes.Buffer
		if err := children.Render(templ.ClearChildren(ctx), &b); err != nil {
			return err
		}
		sum := sha256.Sum256(formKeys.ReplaceAll(b.Bytes(), nil)) // what differs each time is no change
		_, err := io.WriteString(w, `<div id="`+templ.EscapeString(id)+`" data-live="`+how+`" data-print="`+hex.EncodeToString(sum[:8])+`" class="stack">`)
		if err != nil {
			return err
		}
		if _, err := w.Write(b.Bytes()); err != nil {
			return err
		}
		_, err = io.WriteString(w, `</div>`)
		return err
	})
}
