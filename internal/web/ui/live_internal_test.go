package ui

import "testing"

// U19: a part that is drawn anew and says the same is no change.
func TestFingerprint(t *testing.T) {
	t.Parallel()
	const drawn = `<input name="form_key" value="00ff"/><p id="trouble-0123abcd"><time data-relative tabindex="0">2 h ago</time><b id="cli-0123abcd">Bo</b>`
	for name, tt := range map[string]struct {
		html string
		same bool
	}{
		"as it was":       {drawn, true},
		"drawn anew":      {`<input name="form_key" value="abcdef0123"/><p id="trouble-99999999"><time data-relative tabindex="0">just now</time><b id="cli-ffffffff">Bo</b>`, true},
		"another name":    {`<input name="form_key" value="00ff"/><p id="trouble-0123abcd"><time data-relative tabindex="0">2 h ago</time><b id="cli-0123abcd">Al</b>`, false},
		"another head":    {"x" + drawn, false},
		"another end":     {drawn + "x", false},
		"no time":         {`<input name="form_key" value="00ff"/><p id="trouble-0123abcd"><b id="cli-0123abcd">Bo</b>`, false},
		"cut in a key":    {drawn[:len(`<input name="form_key" value="0`)], false},
		"nothing at all":  {"", false},
		"twice":           {drawn + drawn, false},
		"no key in a key": {`<input name="form_key" value="trouble-00ff"/><p id="trouble-0123abcd"><time data-relative tabindex="0">2 h ago</time><b id="cli-0123abcd">Bo</b>`, false},
	} {
		if got := fingerprint([]byte(tt.html)) == fingerprint([]byte(drawn)); got != tt.same {
			t.Errorf("%s: the same is %v", name, got)
		}
	}
}
