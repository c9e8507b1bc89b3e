package tableautest

import (
	"crypto/tls"
	"fmt"
	"time"
)

// Product is the kind of Tableau that a simulated installation is.
type Product string

// The two products. They differ in what they refuse, in how long a session
// may idle and in how users sign in (see [Config]).
const (
	ProductCloud  Product = "cloud"
	ProductServer Product = "server"
)

// Mode names one of several documented ways to behave. The empty mode is
// always the default that the field's comment gives.
type Mode string

// Modes of [Config.PATConcurrency].
const (
	// EvictPrevious ends the earlier session of a PAT at a new sign-in.
	EvictPrevious Mode = "evict-previous"
	// AllowConcurrent lets one PAT hold several sessions. No Tableau does; it
	// is there to show what a client would have gone without.
	AllowConcurrent Mode = "allow"
)

// Modes of [Config.NoSeat].
const (
	// SeatConflict refuses with 409 and code 409014.
	SeatConflict Mode = "409014"
	// SilentUnlicensed succeeds and leaves the user Unlicensed.
	SilentUnlicensed Mode = "silent-unlicensed"
)

// Modes of [Config.Numbers].
const (
	// NumbersMixed sends numbers as JSON strings and booleans as booleans,
	// but for showTabs and encryptExtracts, which are strings: what strictly
	// typed clients in Go decode.
	NumbersMixed Mode = "mixed"
	// NumbersAsStrings sends every number and boolean as a JSON string.
	NumbersAsStrings Mode = "strings"
	// PaginationAsStrings does so for pagination alone.
	PaginationAsStrings Mode = "pagination"
	// NumbersAsNumbers sends JSON numbers and booleans.
	NumbersAsNumbers Mode = "numbers"
)

// Modes of switches that are on, off, or decided by the API version.
const (
	ByVersion Mode = "by-version"
	On        Mode = "on"
	Off       Mode = "off"
)

// Modes of switches that choose between refusing and going on.
const (
	Ignore Mode = "ignore"
	Refuse Mode = "refuse"
)

// Modes of [Config.TimeToExpiration].
const (
	HoursMinutesSeconds Mode = "h:mm:ss"
	DaysHoursMinutes    Mode = "d:hh:mm"
	Absent              Mode = "absent"
)

// Modes of [Config.VersionlessErrors].
const (
	// HTTPErrors is {"httpErrorCode":"404","message":"..."}.
	HTTPErrors Mode = "http"
	// RESTErrors is the shape of the versioned paths, with a six-digit code.
	RESTErrors Mode = "rest"
)

// Config is everything that a simulated Tableau can be told before it
// starts. The zero value is a working Tableau Cloud.
type Config struct {
	// Product is ProductCloud (default) or ProductServer.
	Product Product

	// SiteName and SiteContentURL describe the first site. Default: name and
	// content URL "acme-analytics" on Cloud, "Default" and "" on Server.
	SiteName, SiteContentURL string

	// MinVersion and MaxVersion are the oldest and the newest API version
	// that is answered; beyond them every versioned call is 404001.
	// Default: 2.3 and 3.24.
	MinVersion, MaxVersion string

	// ProductVersion and Build are shown by server info. Default: the release
	// that brought MaxVersion.
	ProductVersion, Build string

	// PATConcurrency: EvictPrevious (default) or AllowConcurrent.
	PATConcurrency Mode

	// SessionIdle ends a session that was not used for so long.
	// Default: 240 minutes on Server, 120 on Cloud. Negative: never.
	SessionIdle time.Duration
	// SessionFixed keeps calls from prolonging a session: it then ends
	// SessionIdle after its sign-in. Default: calls prolong it.
	SessionFixed bool
	// SessionLifetime ends a session however busy it is. Default: no cap.
	SessionLifetime time.Duration

	// PATLifetime is given to a PAT without an expiry of its own.
	// Default: 180 days on Cloud, 365 on Server.
	PATLifetime time.Duration
	// PATIdle lets a PAT lapse that did not sign in for so long.
	// Default: 15 days. Negative: never.
	PATIdle time.Duration
	// TimeToExpiration is the form of estimatedTimeToExpiration:
	// HoursMinutesSeconds (default), DaysHoursMinutes or Absent.
	TimeToExpiration Mode

	// UserExistsCode answers adding a user who is on the site already:
	// "409017" as seen on the wire (default), or "409000" as documented.
	UserExistsCode string
	// NoSeat is what happens when a tier is full: SeatConflict (default) or
	// SilentUnlicensed.
	NoSeat Mode
	// SeatBorrowing lets an Explorer take a free Creator seat, and a Viewer
	// any better one, when their own tier is full. Default: no.
	SeatBorrowing bool
	// RoleCase: Refuse (default) site roles that differ from the documented
	// name in case only, or Ignore the difference.
	RoleCase Mode

	// Numbers is how versioned JSON shows numbers and booleans:
	// NumbersMixed (default), NumbersAsStrings, PaginationAsStrings or
	// NumbersAsNumbers.
	Numbers Mode
	// NoLastLogin leaves lastLogin out of the fields that a list of users
	// shows by default, as some sites do.
	NoLastLogin bool
	// UserListLag is how long a list of users shows a changed user as before.
	// One user read by id is never stale. Default: none.
	UserListLag time.Duration
	// UnknownField: Ignore (default) or Refuse (400008) a name in the
	// parameter fields that is no field.
	UnknownField Mode
	// CloudProfile: Ignore (default) or Refuse (400003) an update of
	// fullName, password, or e-mail before 3.26, none of which Cloud changes.
	CloudProfile Mode
	// PastLastPage is Refuse (default, 400006), or Ignore: an empty page.
	PastLastPage Mode
	// UserFilter: On (default), or Off: the list of users ignores the parameter
	// filter, as one client claims of Cloud.
	UserFilter Mode
	// DoubleSlash is what "//api/…" is, which a server URL with a slash behind it
	// makes: Refuse (default: not the API, a page of 404) or Ignore, one slash.
	DoubleSlash Mode
	// TotalSkew is added to totalAvailable, which is then not what can be
	// read, as has been seen. Default: 0.
	TotalSkew int
	// OtherSiteCode answers a path with the id of a site that exists and is
	// not the session's: "404000" (default) or "403004".
	OtherSiteCode string

	// VersionlessErrors is the shape of errors under /api/-/:
	// HTTPErrors (default) or RESTErrors.
	VersionlessErrors Mode
	// SearchWrapper: On (default) puts the page of results inside "hits",
	// Off shows it bare.
	SearchWrapper Mode
	// SearchFirstPage is the number of the first page of a search. Default: 0.
	SearchFirstPage int
	// Collections: ByVersion (default: from 3.28), On or Off.
	Collections Mode
	// CollectionsKey names the array of a list of collections: "collections"
	// (default) or "items".
	CollectionsKey string
	// IndexLag is how long a change stays invisible to search and usage
	// statistics. Default: none.
	IndexLag time.Duration
	// JobTime is how long an asynchronous job takes. Default: none, it is
	// over when it is first asked for.
	JobTime time.Duration

	// RefuseFreshSession makes the first call of every so-many-th session
	// fail with 401002, as about 3 % of real ones did. Default: 0, never.
	RefuseFreshSession int
	// LoseSessionAfterExports ends a session at its next call after so many
	// exports of views. Default: 0, never.
	LoseSessionAfterExports int

	// Limits throttle calls. Nil means those that Tableau documents for the
	// product ([CloudLimits], none on Server); an empty list means none.
	Limits []Limit
	// Latency delays every answer.
	Latency time.Duration

	// Control mounts the control API under /_sim/. Default: no.
	Control bool
	// Seed makes the ids that are handed out repeatable. Default: random.
	Seed uint64
	// Now is the clock of every rule. Default: time.Now.
	Now func() time.Time

	// Listen is where [Start] listens. Default: "127.0.0.1:0".
	Listen string
	// TLS changes the certificate that [Start] shows.
	TLS TLS
	// DisableHTTP2 keeps [Start] to HTTP/1.1.
	DisableHTTP2 bool
}

// TLS describes the certificate and handshake of a [Server]. The zero value is a
// good certificate for 127.0.0.1, ::1, localhost and the listening host.
type TLS struct {
	// NotBefore and NotAfter bound the certificate. Default: from an hour ago
	// for a year.
	NotBefore, NotAfter time.Time
	// Hosts replaces the names and addresses of the certificate.
	Hosts []string
	// SelfSigned lets the certificate sign itself instead of the authority.
	SelfSigned bool
	// MaxVersion caps the protocol, for example at [tls.VersionTLS11].
	MaxVersion uint16
	// ClientAuth is what is asked of the client. Default: nothing.
	ClientAuth tls.ClientAuthType
	// Stall leaves every handshake without an answer.
	Stall bool
}

// withDefaults returns c with every unset field at its documented default.
func (c Config) withDefaults() Config {
	c.Product = or(c.Product, ProductCloud)
	cloud := c.Product == ProductCloud
	if cloud {
		c.SiteContentURL = or(c.SiteContentURL, "acme-analytics")
		c.SiteName = or(c.SiteName, c.SiteContentURL)
		c.SessionIdle = or(c.SessionIdle, 120*time.Minute)
		c.PATLifetime = or(c.PATLifetime, 180*24*time.Hour)
	} else {
		c.SiteName = or(c.SiteName, or(c.SiteContentURL, "Default"))
		c.SessionIdle = or(c.SessionIdle, 240*time.Minute)
		c.PATLifetime = or(c.PATLifetime, 365*24*time.Hour)
	}
	c.MinVersion, c.MaxVersion = or(c.MinVersion, "2.3"), or(c.MaxVersion, "3.24")
	release := releaseOf(c.MaxVersion)
	c.ProductVersion, c.Build = or(c.ProductVersion, release+".0"), or(c.Build, buildOf(release))
	c.PATConcurrency = or(c.PATConcurrency, EvictPrevious)
	c.PATIdle = or(c.PATIdle, 15*24*time.Hour)
	c.TimeToExpiration = or(c.TimeToExpiration, HoursMinutesSeconds)
	c.UserExistsCode = or(c.UserExistsCode, "409017")
	c.NoSeat = or(c.NoSeat, SeatConflict)
	c.RoleCase = or(c.RoleCase, Refuse)
	c.Numbers = or(c.Numbers, NumbersMixed)
	c.UnknownField = or(c.UnknownField, Ignore)
	c.CloudProfile = or(c.CloudProfile, Ignore)
	c.PastLastPage = or(c.PastLastPage, Refuse)
	c.UserFilter, c.DoubleSlash = or(c.UserFilter, On), or(c.DoubleSlash, Refuse)
	c.OtherSiteCode = or(c.OtherSiteCode, "404000")
	c.VersionlessErrors = or(c.VersionlessErrors, HTTPErrors)
	c.SearchWrapper = or(c.SearchWrapper, On)
	c.Collections = or(c.Collections, ByVersion)
	c.CollectionsKey = or(c.CollectionsKey, "collections")
	if c.Limits == nil && cloud {
		c.Limits = CloudLimits()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.Listen = or(c.Listen, "127.0.0.1:0")
	return c
}

// check says what is wrong with a configuration that a person may have typed.
func (c Config) check() error {
	c = c.withDefaults()
	if c.Product != ProductCloud && c.Product != ProductServer {
		return fmt.Errorf("tableautest: product %q is neither %q nor %q", c.Product, ProductCloud, ProductServer)
	}
	oldest, good := parseVersion(c.MinVersion)
	if !good {
		return fmt.Errorf("tableautest: %q is no API version", c.MinVersion)
	}
	newest, good := parseVersion(c.MaxVersion)
	if !good || newest.before(oldest) {
		return fmt.Errorf("tableautest: %q is no API version from %s on", c.MaxVersion, c.MinVersion)
	}
	return nil
}

// or returns v, or fallback when v is the zero value.
func or[T comparable](v, fallback T) T {
	if v == *new(T) {
		return fallback
	}
	return v
}
