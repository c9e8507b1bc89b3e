package script

import (
	"strconv"
	"strings"
)

// maxSource is how many bytes the text and the modules may have together.
const maxSource = 256 << 10

// check refuses what must not reach the bundler.
func check(src Source) []Fault {
	size := len(src.Text)
	for path, text := range src.Modules {
		size += len(path) + len(text)
	}
	if size > maxSource {
		return []Fault{{File: src.Name, Text: "The workflow and its modules are longer than " + strconv.Itoa(maxSource>>10) + " KiB."}}
	}
	var faults []Fault
	faults = append(faults, checkText(src.Name, src.Text)...)
	for path, text := range src.Modules {
		faults = append(faults, checkText(path, text)...)
	}
	return faults
}

// checkText refuses references to source maps: the bundler would read the file
// that they name.
func checkText(file, text string) []Fault {
	var faults []Fault
	line := 0
	for l := range strings.Lines(text) {
		line++
		if at := strings.Index(l, "sourceMappingURL="); at >= 0 {
			faults = append(faults, Fault{File: file, Line: line, Column: 1 + characters(l, at), Text: "A workflow cannot name a source map."})
		}
	}
	return faults
}
