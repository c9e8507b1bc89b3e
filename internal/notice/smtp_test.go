package notice_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/notice"
)

// mailServer is an SMTP server on this machine that keeps what it is told.
type mailServer struct {
	noTLS bool              // does not offer STARTTLS
	says  map[string]string // its answer to a verb, instead of the usual one

	host    string
	port    int
	roots   *x509.CertPool
	tls     *tls.Config
	mu      sync.Mutex
	clear   []string // lines that came unencrypted
	covered []string // lines that came encrypted
}

func (m *mailServer) start(t *testing.T) *mailServer {
	t.Helper()
	// httptest's certificate is good for 127.0.0.1.
	web := httptest.NewTLSServer(nil)
	t.Cleanup(web.Close)
	m.tls = &tls.Config{Certificates: web.TLS.Certificates, MinVersion: tls.VersionTLS12}
	m.roots = x509.NewCertPool()
	m.roots.AddCert(web.Certificate())
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr, _ := l.Addr().(*net.TCPAddr)
	m.host, m.port = "127.0.0.1", addr.Port
	var open sync.WaitGroup
	open.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			// The client may leave a session that failed open.
			context.AfterFunc(t.Context(), func() { _ = c.Close() })
			open.Go(func() { m.talk(c) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); open.Wait() })
	return m
}

// talk serves one session (RFC 5321, as much of it as a client needs).
func (m *mailServer) talk(c net.Conn) {
	defer func() { _ = c.Close() }()
	in := bufio.NewReader(c)
	say := func(text string) { _, _ = c.Write([]byte(text + "\r\n")) }
	say("220 mail.acme.example ESMTP")
	secure, data := false, false
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		m.note(secure, line)
		verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
		if data {
			if line == "." {
				data = false
				say("250 kept")
			}
			continue
		}
		if answer, ok := m.says[verb]; ok {
			say(answer)
			continue
		}
		switch verb {
		case "EHLO":
			say("250-mail.acme.example")
			if !m.noTLS && !secure {
				say("250-STARTTLS")
			}
			say("250 AUTH PLAIN")
		case "STARTTLS":
			say("220 go on")
			covered := tls.Server(c, m.tls)
			if covered.Handshake() != nil {
				return
			}
			c, in, secure = covered, bufio.NewReader(covered), true
		case "AUTH":
			say("235 you are known")
		case "DATA":
			data = true
			say("354 go on")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func (m *mailServer) note(secure bool, line string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if secure {
		m.covered = append(m.covered, line)
	} else {
		m.clear = append(m.clear, line)
	}
}

// heard returns what came unencrypted and what came encrypted.
func (m *mailServer) heard() (unencrypted, encrypted string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return strings.Join(m.clear, "\n"), strings.Join(m.covered, "\n")
}

const mailPassword = "canary-mail-password-4711"

func letter() notice.Message {
	return notice.Message{ID: "ntc_1", To: "bo@acme.example", Subject: "Rita asks for Creator", Text: "https://margay.acme.example/requests/req_1", HTML: "<p>Rita asks</p>"}
}

func TestMailGoesEncryptedAndWithCredentials(t *testing.T) {
	t.Parallel()
	m := (&mailServer{}).start(t)
	s, err := notice.NewSMTP(notice.SMTP{Host: m.host, Port: m.port, User: "margay", Password: mailPassword, From: "Margay <margay@acme.example>", RootCAs: m.roots})
	if err != nil {
		t.Fatal(err)
	}

	if err := s.Send(t.Context(), letter()); err != nil {
		t.Fatal(err)
	}

	unencrypted, encrypted := m.heard()
	for _, want := range []string{
		"AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00margay\x00"+mailPassword)),
		"MAIL FROM:<margay@acme.example>", "RCPT TO:<bo@acme.example>", "Subject: Rita asks for Creator", "Auto-Submitted: auto-generated",
		"Message-ID: <ntc_1@acme.example>", "https://margay.acme.example/requests/req_1", "<p>Rita asks</p>",
	} {
		if !strings.Contains(encrypted, want) {
			t.Errorf("%q is not in what came:\n%s", want, encrypted)
		}
	}
	if strings.Contains(unencrypted, "MAIL FROM") || strings.Contains(unencrypted, "AUTH") {
		t.Errorf("unencrypted came:\n%s", unencrypted)
	}
}

// What the mail server does, and whether the mail is tried again.
func TestMailThatDoesNotGoOut(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		noTLS     bool
		says      map[string]string
		untrusted bool
		code      string
		kind      fault.Kind
	}{
		"no STARTTLS":          {noTLS: true, code: "mail_unreachable", kind: fault.Unavailable},
		"unknown authority":    {untrusted: true, code: "mail_unreachable", kind: fault.Unavailable},
		"wrong password":       {says: map[string]string{"AUTH": "535 who are you"}, code: "mail_unreachable", kind: fault.Unavailable},
		"no such reader":       {says: map[string]string{"RCPT": "550 no such mailbox"}, code: "mail_refused", kind: fault.Invalid},
		"busy":                 {says: map[string]string{"RCPT": "451 come back later"}, code: "mail_later", kind: fault.Unavailable},
		"refused as a message": {says: map[string]string{"DATA": "554 not here"}, code: "mail_refused", kind: fault.Invalid},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := (&mailServer{noTLS: tt.noTLS, says: tt.says}).start(t)
			roots := m.roots
			if tt.untrusted {
				roots = x509.NewCertPool()
			}
			s, err := notice.NewSMTP(notice.SMTP{Host: m.host, Port: m.port, User: "margay", Password: mailPassword, From: "margay@acme.example", RootCAs: roots})
			if err != nil {
				t.Fatal(err)
			}

			err = s.Send(t.Context(), letter())

			if !errors.Is(err, tt.kind) || fault.Public(err).Code != tt.code {
				t.Errorf("error %v of code %q, want %s", err, fault.Public(err).Code, tt.code)
			}
			if err != nil && strings.Contains(err.Error()+fault.Public(err).Detail, mailPassword) {
				t.Error("the password is in the error")
			}
			if unencrypted, _ := m.heard(); strings.Contains(unencrypted, "AUTH") || strings.Contains(unencrypted, "RCPT") {
				t.Errorf("unencrypted came:\n%s", unencrypted)
			}
		})
	}
}
