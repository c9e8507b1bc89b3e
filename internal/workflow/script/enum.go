package script

import "regexp"

// The bundler works out the values of an enum and writes each value wherever it
// is used. Values made of other values by + or ${} would let a few lines become
// gigabytes, so the values of an enum must be plain here: numbers, arithmetic
// without +, and strings that are not long.

const (
	// lineEnd and whiteSpace are what JavaScript takes for them, inside a class.
	lineEnd    = `\n\r\x{2028}\x{2029}`
	whiteSpace = `\s\x{feff}\pZ` + lineEnd
	// blank is white space and comments.
	blank = `(?:[` + whiteSpace + `]|//[^` + lineEnd + `]*|/\*(?:[^*]|\*+[^*/])*\*+/)*`
)

var (
	// enumHead is where an enum begins, also inside a comment or a string.
	enumHead = regexp.MustCompile(`\benum\b` + blank + `(?:\\u\{[0-9a-fA-F]+\}|[^` + whiteSpace + `{/])+` + blank + `\{`)
	// enumBody is what may follow it. A slash is there in comments only, so that
	// nothing hides inside a regular expression; + and ${ are not there at all.
	enumBody = regexp.MustCompile(`^(?:` + blank + `(?:` +
		`"(?:[^"\\` + lineEnd + `]|\\[^` + lineEnd + `])*"` + `|` +
		`'(?:[^'\\` + lineEnd + `]|\\[^` + lineEnd + `])*'` + `|` +
		"`(?:[^`\\\\$]|\\\\[^" + lineEnd + "])*`" + `|` +
		"[^\"'`/+}]" + `))*` + blank + `\}`)
	enumString = regexp.MustCompile("[\"'`][^\"'`]{257}")
)

// checkEnums refuses enums with values that are not plain.
func checkEnums(src Source) []Fault {
	var faults []Fault
	for _, at := range enumHead.FindAllStringIndex(src.Text, -1) {
		body := enumBody.FindString(src.Text[at[1]:])
		if body == "" {
			faults = append(faults, faultAt(src.Name, src.Text, at[0], "The values of an enum must be plain numbers or strings here, without +, / and ${ }."))
		} else if enumString.MatchString(body) {
			faults = append(faults, faultAt(src.Name, src.Text, at[0], "The strings of an enum must not be longer than 256 characters."))
		}
	}
	return faults
}
