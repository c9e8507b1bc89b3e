package notice

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/margay-access/margay/internal/fault"
)

// How the way to the mail server is encrypted.
const (
	StartTLS = "starttls" // required: without it nothing is sent
	TLS      = "tls"      // from the first byte
	NoTLS    = "none"     // not at all: for a mail server on this machine
)

// SMTP says how mail goes out.
type SMTP struct {
	Host     string
	Port     int // 0: 587 with StartTLS, 465 with TLS, 25 with NoTLS
	User     string
	Password string
	From     string // "Margay <margay@acme.example>"
	TLS      string // default StartTLS
	RootCAs  *x509.CertPool
}

// mailTimeout bounds one attempt to send a mail.
const mailTimeout = 30 * time.Second

// NewSMTP returns what sends mail, or what is wrong with its settings.
func NewSMTP(cfg SMTP) (*SMTP, error) {
	if cfg.TLS == "" {
		cfg.TLS = StartTLS
	}
	ports := map[string]int{StartTLS: 587, TLS: 465, NoTLS: 25}
	port, ok := ports[cfg.TLS]
	switch {
	case !ok:
		return nil, fault.New(fault.Invalid, "MARGAY_SMTP_TLS is starttls, tls or none, not %q.", cfg.TLS).WithCode("smtp_settings")
	case cfg.From == "":
		return nil, fault.New(fault.Invalid, "MARGAY_SMTP_HOST needs MARGAY_SMTP_FROM: the address that mail comes from.").WithCode("smtp_settings")
	case cfg.Password != "" && cfg.User == "":
		return nil, fault.New(fault.Invalid, "MARGAY_SMTP_PASSWORD needs MARGAY_SMTP_USER.").WithCode("smtp_settings")
	case cfg.TLS == NoTLS && cfg.Password != "" && !isLocal(cfg.Host):
		return nil, fault.New(fault.Invalid, "The password of MARGAY_SMTP_USER would go to %s unencrypted.", cfg.Host).WithCode("smtp_settings").
			WithHint("Set MARGAY_SMTP_TLS to starttls or tls.")
	}
	if cfg.Port == 0 {
		cfg.Port = port
	}
	if err := mail.NewMsg().From(cfg.From); err != nil {
		return nil, fault.New(fault.Invalid, "MARGAY_SMTP_FROM: %q is not an address to send from.", cfg.From).WithCode("smtp_settings")
	}
	if _, err := cfg.client(); err != nil {
		return nil, fault.New(fault.Invalid, "The settings of MARGAY_SMTP_… cannot be used: %v.", err).WithCode("smtp_settings")
	}
	return &cfg, nil
}

func isLocal(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func tlsConfig(roots *x509.CertPool) *tls.Config {
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
}

func (s *SMTP) client() (*mail.Client, error) {
	config := tlsConfig(s.RootCAs)
	config.ServerName = s.Host
	options := []mail.Option{mail.WithPort(s.Port), mail.WithTimeout(mailTimeout), mail.WithTLSConfig(config)}
	switch s.TLS {
	case TLS:
		options = append(options, mail.WithSSL())
	case NoTLS:
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	default:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	if s.User != "" {
		kind := mail.SMTPAuthAutoDiscover
		if s.TLS == NoTLS {
			kind = mail.SMTPAuthPlainNoEnc // on this machine: see NewSMTP
		}
		options = append(options, mail.WithSMTPAuth(kind), mail.WithUsername(s.User), mail.WithPassword(s.Password))
	}
	return mail.NewClient(s.Host, options...)
}

// Send hands a message to the mail server. An error that trying again cannot
// help is a fault.Invalid.
func (s *SMTP) Send(ctx context.Context, m Message) error {
	msg := mail.NewMsg()
	if err := msg.From(s.From); err != nil {
		return fmt.Errorf("write mail: %w", err)
	}
	if err := msg.To(m.To); err != nil {
		return fault.New(fault.Invalid, "The address of the person is none that mail can be sent to.").WithCode("mail_address").Because(err)
	}
	msg.Subject(m.Subject)
	msg.SetDate()
	msg.SetMessageIDWithValue(m.ID + "@" + s.domain())
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // no answering machine answers it
	msg.SetBodyString(mail.TypeTextPlain, m.Text)
	msg.AddAlternativeString(mail.TypeTextHTML, m.HTML)
	c, err := s.client()
	if err != nil {
		return fmt.Errorf("use the mail server: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, mailTimeout)
	defer cancel()
	return mailFault(s.Host, c.DialAndSendWithContext(ctx, msg))
}

// domain is that of the sender.
func (s *SMTP) domain() string {
	_, domain, _ := strings.Cut(strings.TrimRight(s.From, "> "), "@")
	return domain
}

// mailFault says why mail did not go out. What the mail server says about the
// reader is shown; credentials are in none of it.
func mailFault(host string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*mail.SendError](err); ok {
		if !e.IsTemp() && e.ErrorCode() >= 500 {
			return fault.New(fault.Invalid, "The mail server %s refused the message: it answered %d.", host, e.ErrorCode()).WithCode("mail_refused").
				WithDetail(cut(printable(e.Error()), 300)).Because(err)
		}
		return fault.New(fault.Unavailable, "The mail server %s did not take the message now.", host).WithCode("mail_later").
			WithDetail(cut(printable(e.Error()), 300)).Because(err)
	}
	return fault.New(fault.Unavailable, "The mail server %s could not be used.", host).WithCode("mail_unreachable").
		WithHint("Check MARGAY_SMTP_HOST, _PORT, _TLS, _USER and the password.").WithDetail(cut(printable(err.Error()), 300)).Because(err)
}
