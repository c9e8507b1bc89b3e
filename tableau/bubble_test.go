package tableau_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/margay-access/margay/tableau"
	"github.com/margay-access/margay/tableau/tableautest"
)

// pipes is a listener whose connections never leave the process, so that time
// can be faked around them.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 443} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// inBubble runs f with a client of handler, over HTTPS, in faked time.
func inBubble(t *testing.T, handler func() http.Handler, f func(t *testing.T, c *tableau.Client), options ...func(*tableau.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		listener := newPipes()
		srv := &httptest.Server{Listener: listener, Config: &http.Server{Handler: handler(), ReadHeaderTimeout: time.Minute}}
		srv.StartTLS()
		roots := srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
		cfg := tableau.Config{
			Server: "example.com", Site: "acme-analytics", RootCAs: roots, Dial: listener.dial,
			TokenName: patName, TokenSecret: tableau.NewSecret(patSecret),
		}
		for _, o := range options {
			o(&cfg)
		}
		c, err := tableau.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		f(t, c)
		if err := c.Close(context.Background()); err != nil {
			t.Error(err)
		}
		srv.CloseClientConnections()
		srv.Close()
	})
}

// simulated is the handler of a simulated site for inBubble.
func simulated(site **tableautest.Site, cfg tableautest.Config) func() http.Handler {
	return func() http.Handler {
		cfg.Now = time.Now
		s := tableautest.New(cfg)
		s.AddPAT(s.AddUser("boss@acme.example", tableautest.RoleSiteAdministratorCreator), patName, patSecret)
		*site = s
		return s
	}
}
