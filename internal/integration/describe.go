package integration

import (
	"net/url"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/fault"
)

// Guide tells a person where the credentials of a connection come from.
type Guide struct {
	Title string
	Intro string
	Steps []Step // in their order
	Notes []Note // what people must know beside them
	Links []Link // the system's own documentation
	// Support says where people find help with the integration.
	Support Support
}

// Support is a sentence that ends with a link.
type Support struct {
	Text string
	Link Link
}

// Step is one thing to do in the other system.
type Step struct{ Title, Text string }

// Note is something to know. Title may be blank.
type Note struct{ Title, Text string }

// Link leads to a page of somebody else's.
type Link struct{ Label, URL string }

// Sentence is one of the results that a check may have, word for word; a part
// in brackets stands for a value.
type Sentence struct {
	Pass    bool
	Text    string
	Meaning string // what it says about the connection, and what to do
}

// Target is where the calls of a connection go: fixed by its settings.
type Target struct {
	Host  string // "10ax.online.tableau.com"
	Place string // "site acme-analytics"
}

// String writes the target for people: "https://host · site acme".
func (t Target) String() string {
	if t.Host == "" {
		return ""
	}
	return strings.TrimSuffix("https://"+t.Host+" · "+t.Place, " · ")
}

// Idle says that the system ends credentials that are not used. The zero value:
// it does not.
type Idle struct {
	Ends time.Duration // after so long without use
	Warn time.Duration // from here on people are told
	Text string        // what people should know of it
}

// Fact is something that a check found out about the connection.
type Fact struct {
	Key   string `json:"key"` // "site"
	Label string `json:"label"`
	Value string `json:"value"`
}

// Method is one method of the system's API, as its reference lists it.
type Method struct {
	Name     string
	Category string
	Verb     string
	Path     string
	Params   []string // of the path; they are needed
	Query    []string
	Since    string
	Needs    string // "" when not known
	Writes   bool
	Help     map[string]string // what to give to a parameter, where that is not plain
}

// Catalogue lists the methods of the system's API. Both functions may be nil:
// there is none.
type Catalogue struct {
	// Search returns the methods that hold all words; all of them for none.
	Search func(words string) []Method
	// Bind returns a method as a call, or a fault.Invalid.
	Bind func(name string, params url.Values) (Call, error)
}

// Field returns the field of a key.
func (i Integration) Field(key string) (Field, bool) {
	for _, f := range i.Fields {
		if f.Key == key {
			return f, true
		}
	}
	return Field{}, false
}

// Check returns the check of a key or a name, or a fault.NotFound.
func (i Integration) Check(which string) (Check, error) {
	keys := make([]string, len(i.Checks))
	for n, c := range i.Checks {
		if which == c.Key || strings.EqualFold(which, c.Name) {
			return c, nil
		}
		keys[n] = c.Key
	}
	return Check{}, fault.New(fault.NotFound, "%s has no check %q.", i.Name, which).WithCode("check_missing").
		WithHint("There are: %s.", strings.Join(keys, ", "))
}

// Bind returns a method of the system's catalogue as a call.
func (i Integration) Bind(name string, params url.Values) (Call, error) {
	if i.Catalogue.Bind == nil {
		return Call{}, fault.New(fault.NotFound, "%s has no catalogue of methods.", i.Name).WithCode("method_missing")
	}
	return i.Catalogue.Bind(name, params)
}

// Methods returns the methods of the system's API that hold all words.
func (i Integration) Methods(words string) []Method {
	if i.Catalogue.Search == nil {
		return nil
	}
	return i.Catalogue.Search(words)
}

// TargetOf returns where calls with the settings go.
func (i Integration) TargetOf(s Settings) Target {
	if i.Target == nil {
		return Target{}
	}
	return i.Target(s)
}

// CommandOf returns how a call is written on the command line; "" when there is
// no command for it.
func (i Integration) CommandOf(connection string, c Call) string {
	if i.Command == nil {
		return ""
	}
	return i.Command(connection, c)
}
