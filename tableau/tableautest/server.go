package tableautest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Server is a simulated Tableau that listens with HTTPS, under a certificate
// authority of its own. It is its own first [Site].
type Server struct {
	*Site

	URL  string // "https://127.0.0.1:port"
	Host string // "127.0.0.1:port"

	ca   *authority
	http *http.Server
	done chan struct{}
	once sync.Once
	ends context.CancelFunc
	life context.Context //nolint:containedctx // the life of the server, which stalled handshakes wait for

	hosts   []string
	mu      sync.Mutex
	tls     *tls.Config
	stalled bool
	refuse  atomic.Bool
}

// Start makes a site by [New] and serves it until [Server.Close].
func Start(cfg Config) (*Server, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	return serve(context.Background(), New(cfg))
}

// StartSite serves a site that exists already, with its installation.
func StartSite(s *Site) (*Server, error) { return serve(context.Background(), s) }

func serve(ctx context.Context, site *Site) (*Server, error) {
	cfg := site.in.cfg()
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", cfg.Listen, err)
	}
	srv := &Server{Site: site, done: make(chan struct{})}
	if err := srv.start(ln); err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	return srv, nil
}

func (s *Server) start(ln net.Listener) error {
	cfg := s.in.cfg()
	// Clients judge a certificate by the true time, whatever the simulated one is.
	now := time.Now()
	var err error
	if s.ca, err = newAuthority(now); err != nil {
		return err
	}
	hosts := []string{"127.0.0.1", "::1", "localhost"}
	host, port, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", cfg.Listen, err)
	}
	if ip := net.ParseIP(host); host != "" && (ip == nil || !ip.IsUnspecified()) {
		hosts = append(hosts, host)
	} else {
		host = "127.0.0.1"
	}
	s.hosts = hosts
	s.life, s.ends = context.WithCancel(context.Background())
	if err := s.SetTLS(cfg.TLS); err != nil {
		return err
	}
	if port == "" || port == "0" {
		_, port, _ = net.SplitHostPort(ln.Addr().String())
	}
	s.Host = net.JoinHostPort(host, port)
	s.URL = "https://" + s.Host
	s.http = &http.Server{
		Handler: s.Site, ReadHeaderTimeout: 30 * time.Second, ErrorLog: log.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{
			MinVersion: tls.VersionTLS12, GetConfigForClient: s.handshake,
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, errNoCertificate },
		},
	}
	if cfg.DisableHTTP2 {
		s.http.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
	}
	go func() {
		defer close(s.done)
		_ = s.http.ServeTLS(&gate{ln, &s.refuse}, "", "") // ends by Close
	}()
	return nil
}

var errNoCertificate = errors.New("tableautest: no certificate")

// SetTLS changes the certificate and handshake of connections from now on.
func (s *Server) SetTLS(t TLS) error {
	now := time.Now() // clients judge by the true time
	cert, err := s.ca.issue(now, s.hosts, t)
	if err != nil {
		return err
	}
	next := &tls.Config{
		Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, MaxVersion: t.MaxVersion,
		ClientAuth: t.ClientAuth, NextProtos: []string{"h2", "http/1.1"},
	}
	if t.MaxVersion != 0 && t.MaxVersion < tls.VersionTLS12 {
		next.MinVersion = t.MaxVersion // an old protocol is one of the faults to simulate
	}
	if s.in.cfg().DisableHTTP2 {
		next.NextProtos = []string{"http/1.1"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tls, s.stalled = next, t.Stall
	return nil
}

// handshake gives a connection the configuration of the moment.
func (s *Server) handshake(*tls.ClientHelloInfo) (*tls.Config, error) {
	s.mu.Lock()
	next, stalled := s.tls, s.stalled
	s.mu.Unlock()
	if stalled {
		<-s.life.Done()
	}
	return next, nil
}

// RefuseConnections makes the server reset every new connection as it is
// accepted, until it is called with false.
func (s *Server) RefuseConnections(refuse bool) { s.refuse.Store(refuse) }

// gate is a listener that can be told to refuse.
type gate struct {
	net.Listener

	refuse *atomic.Bool
}

// Accept resets connections while it is told to.
func (g *gate) Accept() (net.Conn, error) {
	for {
		conn, err := g.Listener.Accept()
		if err != nil || !g.refuse.Load() {
			return conn, err
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a reset instead of an orderly end
		}
		_ = conn.Close()
	}
}

// CAPEM returns the certificate of the authority, to be trusted by clients.
func (s *Server) CAPEM() []byte { return s.ca.pem() }

// CertPool returns a pool that holds the authority alone.
func (s *Server) CertPool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(s.ca.cert)
	return pool
}

// Client returns a client that trusts the server and follows no redirect.
func (s *Server) Client() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			TLSClientConfig:   &tls.Config{RootCAs: s.CertPool(), MinVersion: tls.VersionTLS12},
			ForceAttemptHTTP2: !s.in.cfg().DisableHTTP2,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Close ends the server and every connection.
func (s *Server) Close() {
	s.once.Do(func() {
		s.ends()
		_ = s.http.Close() // closing is all that is wanted
		<-s.done
	})
}
