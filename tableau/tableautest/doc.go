// Package tableautest is a simulated Tableau: it is to a client of the Tableau
// REST API what net/http/httptest is to net/http.
//
// It behaves as Tableau Cloud or Tableau Server are documented and have been
// seen to behave, odd rules included: a personal access token carries one
// session at a time, a page past the last is an error, an updated user comes
// back without an id. It keeps state (sites, users, sessions, content), speaks
// XML and JSON, goes wrong on demand ([Site.Fail]) and writes down every
// request ([Site.Journal]). What is documented but not simulated answers 501,
// and [Routes] tells which is which.
//
// It is not a Tableau to work with: it draws no view and looks into no file. It
// shares no type with any client, so that a client proves itself against the
// wire alone.
//
// # Three ways to run it
//
// [New] makes a [Site], which is an [http.Handler] and works inside a
// testing/synctest bubble. [Start] serves one over HTTPS under a certificate
// authority of its own. [Simulate] is a program: a made-up site, and the
// control API of [Site.Control] for tests in other languages.
//
// # Switches
//
// Where Tableau Cloud and Tableau Server differ, or the documents and the wire
// disagree, or nothing is known, [Config] has a switch whose comment names the
// default.
//
// # Going wrong
//
// A [Fault] chooses requests by verb, path, operation, query or PAT, and then
// answers in Tableau's place, or after it (Apply), or delays, hangs, cuts,
// drips or drops what Tableau answers. Its hooks Before and After change the
// site between a client's read and its write. Beyond single requests:
//
//   - another program signs in with the same PAT: [PAT.EndSession], or
//     EndSession in a Fault; [Config.RefuseFreshSession] and
//     [Config.LoseSessionAfterExports] for sessions lost for no reason
//   - throttling: [Site.SetLimits], or Code "429000" with RetryAfter in a Fault
//   - gateways, single sign-on pages, redirects: HTML, Body and Redirect
//   - answers lost after the change was made: Drop with [DropAfter]
//   - no connection at all, bad certificates, stalled handshakes:
//     [Server.RefuseConnections], [Server.SetTLS]
//   - maintenance for hours: [Site.SetMaintenance] and [Site.Advance]
//   - tokens that expire, lapse or are revoked: [PAT.Expire], [Site.Advance],
//     [PAT.Revoke]
//   - licences that run out: [Site.SetSeats] with [Config.NoSeat]
//   - roles that come back at the next sign-in: [Site.AddGroup] and
//     [User.SignIn]
//   - an index or a list that lags behind: [Config.IndexLag],
//     [Config.UserListLag]
//
// # The journal
//
// The journal is complete and only grows: each request is in it from the moment
// it arrives, in the order of arrival, and says whether Tableau carried it out
// (Applied) whatever the client was told. It holds no token and no secret.
package tableautest
