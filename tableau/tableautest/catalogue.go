package tableautest

import (
	_ "embed" // the catalogue is a file
	"encoding/csv"
	"strings"
	"sync"
)

// catalogueCSV lists the methods of the Tableau REST API: name, category,
// HTTP method, path, the version that brought it and the one that took it away.
//
//go:embed catalogue.csv
var catalogueCSV string

// method is one row of the catalogue.
type method struct {
	name, category, verb, path string
	since, retired             string
}

// catalogue returns all methods, in the order of the file.
var catalogue = sync.OnceValue(func() []method {
	rows, err := csv.NewReader(strings.NewReader(catalogueCSV)).ReadAll()
	if err != nil {
		panic("tableautest: catalogue.csv: " + err.Error())
	}
	out := make([]method, 0, len(rows))
	for _, r := range rows[1:] {
		out = append(out, method{name: r[0], category: r[1], verb: r[2], path: r[3], since: r[4], retired: r[5]})
	}
	return out
})
