package ui

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"

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

// passing is what differs each time that a part is drawn, by how it begins: keys
// of forms, ids that are made up, and how long ago something was.
var passing = []struct {
	begins string
	length func(rest []byte) int // of what comes after it and differs too
}{
	{`name="form_key" value="`, func(rest []byte) int { return hexAt(rest, len(rest)) }},
	{`trouble-`, func(rest []byte) int { return hexAt(rest, 8) }},
	{`cli-`, func(rest []byte) int { return hexAt(rest, 8) }},
	{`data-relative tabindex="0">`, func(rest []byte) int { return max(bytes.IndexByte(rest, '<'), 0) }},
}

// hexAt returns how many of the first bytes, most at the most, are hexadecimal.
func hexAt(text []byte, most int) int {
	n := 0
	for n < min(most, len(text)) && (text[n] >= '0' && text[n] <= '9' || text[n] >= 'a' && text[n] <= 'f') {
		n++
	}
	return n
}

// fingerprint is the same for two drawings of a part that differ only in what is
// passing. Lists are long: each beginning is looked for once.
func fingerprint(html []byte) string {
	h := sha256.New()
	next := make([]int, len(passing))
	for i, p := range passing {
		next[i] = bytes.Index(html, []byte(p.begins))
	}
	done := 0
	for {
		first := -1
		for i, at := range next {
			if at >= 0 && (first < 0 || at < next[first]) {
				first = i
			}
		}
		if first < 0 {
			h.Write(html[done:])
			return hex.EncodeToString(h.Sum(nil)[:8])
		}
		begin := next[first] + len(passing[first].begins)
		if begin > done {
			h.Write(html[done:begin])
			done = begin + passing[first].length(html[begin:])
		}
		if next[first] = bytes.Index(html[done:], []byte(passing[first].begins)); next[first] >= 0 {
			next[first] += done
		}
	}
}

func livePart(id, how string) templ.Component {
	return templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		children := templ.GetChildren(ctx)
		var b bytes.Buffer
		if err := children.Render(templ.ClearChildren(ctx), &b); err != nil {
			return err
		}
		_, err := io.WriteString(w, `<div id="`+templ.EscapeString(id)+`" data-live="`+how+`" data-print="`+fingerprint(b.Bytes())+`" class="stack">`)
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
