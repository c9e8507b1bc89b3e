package server

import (
	"crypto/x509"
	"fmt"
	"os"
	"strings"

	"github.com/margay-access/margay/internal/connection"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/notice"
	"github.com/margay-access/margay/internal/seal"
	"github.com/margay-access/margay/internal/store"
)

// Notices are the settings of mail and webhooks. Its zero value sends no mail
// and lets webhooks go to public addresses.
type Notices struct {
	ExternalURL      string // where people reach this server: links in mail and webhooks begin so
	SMTP             notice.SMTP
	SMTPPasswordFile string         // holds the password, instead of SMTP.Password
	SMTPCAFile       string         // PEM, added to the system's authorities for the mail server
	WebhookCAFile    string         // PEM, added to the system's authorities for webhooks
	WebhookAllowCIDR string         // private ranges that receivers may live in
	WebhookRootCAs   *x509.CertPool // instead of the system's and WebhookCAFile, for tests
}

const webhookSetting = "MARGAY_WEBHOOK_ALLOW_CIDR"

// notices returns the service that the settings ask for.
func (c Config) notices(db *store.DB, sealer *seal.Sealer) (*notice.Service, error) {
	n := c.Notices
	if _, err := c.external(); err != nil {
		return nil, err
	}
	egress, err := connection.NewEgressOf(webhookSetting, "the receiver", n.WebhookAllowCIDR)
	if err != nil {
		return nil, err
	}
	cfg := notice.Config{
		Store: db, Sealer: sealer, ExternalURL: strings.TrimRight(n.ExternalURL, "/"), Control: egress.Control, RootCAs: n.WebhookRootCAs,
		UserAgent: "Margay/" + c.Version, Now: c.Now, NewID: newID, Log: c.Log,
	}
	if cfg.RootCAs == nil {
		if cfg.RootCAs, err = authorities("MARGAY_WEBHOOK_CA_FILE", n.WebhookCAFile); err != nil {
			return nil, err
		}
	}
	if n.SMTP.Host == "" {
		return notice.NewService(cfg), nil
	}
	if n.ExternalURL == "" {
		return nil, fault.New(fault.Invalid, "MARGAY_SMTP_HOST needs MARGAY_EXTERNAL_URL: mail holds links to it.").WithCode("external_url").
			WithHint("Set it to where people reach this server, such as https://margay.acme.example.")
	}
	if cfg.Mail, err = n.mail(); err != nil {
		return nil, err
	}
	return notice.NewService(cfg), nil
}

func (n Notices) mail() (notice.Sender, error) {
	if n.SMTPPasswordFile != "" {
		text, err := os.ReadFile(n.SMTPPasswordFile)
		if err != nil {
			return nil, fmt.Errorf("read the password of MARGAY_SMTP_PASSWORD_FILE: %w", err)
		}
		n.SMTP.Password = strings.TrimRight(string(text), "\r\n")
	}
	if n.SMTP.RootCAs == nil {
		pool, err := authorities("MARGAY_SMTP_CA_FILE", n.SMTPCAFile)
		if err != nil {
			return nil, err
		}
		n.SMTP.RootCAs = pool
	}
	return notice.NewSMTP(n.SMTP)
}

// authorities returns the system's certificate authorities and those of a file;
// nil when there is no file.
func authorities(setting, path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("read the certificate authorities of %s: %w", setting, err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: %s holds no certificate in PEM", setting, path)
	}
	return pool, nil
}
