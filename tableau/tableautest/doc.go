// Package tableautest is a simulated Tableau: it is to a client of the Tableau
// REST API what net/http/httptest is to net/http.
//
// It behaves as Tableau Cloud or Tableau Server are documented and have been
// seen to behave, odd rules included: a personal access token carries one session at
// a time, a page past the last is an error, an updated user comes back
// without an id. It keeps state (sites, users, sessions, content), speaks XML
// and JSON, goes wrong on demand ([Site.Fail]) and writes down every request
// ([Site.Journal]). What is documented but not simulated answers 501, and
// [Routes] tells which is which.
//
// It is not a Tableau to work with: it draws no view and checks no file. It
// shares no type with any client, so that a client proves itself against the
// wire alone.
package tableautest
