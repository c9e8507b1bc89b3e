package tableau

import (
	"context"
	"crypto/x509"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// DefaultVersion is the REST API version of versioned calls: Tableau Server
// 2025.1 and later speak it, and Tableau Cloud always does.
const DefaultVersion = "3.24"

// The limits on what Tableau may take and send. They bound a hostile or broken
// server, and leave honest ones alone.
const (
	DialTimeout    = 5 * time.Second   // DNS and connect
	TLSTimeout     = 5 * time.Second   // handshake
	HeaderTimeout  = 20 * time.Second  // until the answer's header
	CallTimeout    = 30 * time.Second  // a whole exchange, body included
	ListTimeout    = 120 * time.Second // all exchanges of one list together
	SignOutTimeout = 3 * time.Second
	StallTimeout   = 30 * time.Second // streamed bodies: without a byte

	MaxSignInBody = 64 << 10 // after decompression, like all the following
	MaxErrorBody  = 64 << 10 // of an answer with 4xx or 5xx; more is cut off
	MaxRawError   = 2 << 10  // kept in Error.Raw
	MaxPageBody   = 4 << 20
	MaxBody       = 10 << 20
	MaxHeader     = 64 << 10
	MaxDepth      = 64 // nesting of JSON
)

// Config is what a Client needs to know.
type Config struct {
	Server      string // host or host:port, without scheme
	Site        string // content URL; "" is the Default site
	TokenName   string // name of the PAT, exactly as in Tableau
	TokenSecret Secret
	Version     string // REST API version of versioned calls; default [DefaultVersion]

	// RootCAs are the certificate authorities that may vouch for the server.
	// Default: the system's. There is no way to skip verification.
	RootCAs *x509.CertPool
	// Dial opens connections. Default: a [net.Dialer] with Control.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Control is called with the address that is really dialled, after name
	// resolution, and refuses it by an error. It is not used with Dial.
	Control func(network, address string, c syscall.RawConn) error

	// UserAgent of every call. Default: Go's.
	UserAgent string
	// Linger keeps the session open after the last call. Default 0: sign out
	// at once.
	Linger time.Duration
	// Lease is asked for the right to use the PAT around each exchange.
	// Default: none, this Client is then the PAT's only user.
	Lease Lease
	// Tries is how often a call that may be repeated is tried in all. Default
	// 4 for reads and 3 for writes that Tableau has not performed; 1 turns
	// repeating off.
	Tries int
	// Rate is how many calls a second the client makes at most, Burst how many
	// of them at once. Default 0: no limit of our own.
	Rate  float64
	Burst int
	// OnCall is told of every HTTP exchange, as by [WithTrace].
	OnCall func(Call)
	// Now tells the time. Default [time.Now].
	Now func() time.Time
}

// Client makes calls to one site with one PAT. It is safe for use by many
// goroutines. Make it with [New], end it with [Client.Close].
type Client struct {
	cfg       Config
	host      string
	http      *http.Client
	exchange  *exchange
	throttle  *throttle
	slots     chan struct{} // one for each call under way
	closeIdle sync.Once
	certAsked *atomic.Bool // the server asked for a client certificate
}

var versionForm = regexp.MustCompile(`^[0-9]{1,2}\.[0-9]{1,3}$`)

// New returns a client. It sends nothing: the first call signs in. It refuses
// a Config that cannot work, with a [*ConfigError].
func New(cfg Config) (*Client, error) {
	host, err := parseHost(cfg.Server)
	if err != nil {
		return nil, err
	}
	if cfg.Version == "" {
		cfg.Version = DefaultVersion
	}
	switch {
	case !versionForm.MatchString(cfg.Version):
		return nil, &ConfigError{Field: "Version", Reason: "must look like 3.24"}
	case cfg.TokenName == "":
		return nil, &ConfigError{Field: "TokenName", Reason: "is required"}
	case cfg.TokenSecret.IsZero():
		return nil, &ConfigError{Field: "TokenSecret", Reason: "is required"}
	case strings.ContainsAny(cfg.UserAgent, "\r\n"):
		return nil, &ConfigError{Field: "UserAgent", Reason: "must be one line"}
	case cfg.Linger < 0 || cfg.Tries < 0 || cfg.Rate < 0 || cfg.Burst < 0:
		return nil, &ConfigError{Field: "Linger, Tries, Rate and Burst", Reason: "must not be negative"}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now //nolint:forbidigo // the default of the one clock that the package reads
	}
	c := &Client{cfg: cfg, host: host, certAsked: new(atomic.Bool)}
	c.http = newHTTP(cfg, host, c.certAsked)
	c.throttle = newThrottle(cfg)
	c.slots = make(chan struct{}, maxConns-2) // sign-in and sign-out have theirs
	c.exchange = &exchange{client: c}
	return c, nil
}

// Host returns the server's host, as it stands in errors and addresses.
func (c *Client) Host() string { return c.host }

// Version returns the REST API version of versioned calls.
func (c *Client) Version() string { return c.cfg.Version }

// Close ends the client: it waits for calls under way and for the sign-out of
// their session, until ctx ends. Calls after it fail with [ErrClosed].
func (c *Client) Close(ctx context.Context) error {
	err := c.exchange.close(ctx)
	c.closeIdle.Do(c.http.CloseIdleConnections)
	return err
}
