package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/notice"
	"github.com/margay-access/margay/internal/server"
)

const (
	defaultURL    = "http://127.0.0.1:8080"
	defaultListen = "127.0.0.1:8080"
	defaultData   = "./margay-data"
)

// settings are what flags, environment and configuration file say together, in
// this order of precedence.
type settings struct {
	URL       string
	Token     string
	Listen    string
	Data      string
	Database  string
	KeyURL    string
	TLSCert   string
	TLSKey    string
	CAFile    string
	AllowCIDR string
	Notices   server.Notices
	AuditHead string
	Proxies   string
}

// settingNames are the keys of the configuration file. MARGAY_ and the key in
// capitals is the variable of the same meaning.
func settingNames() []string {
	return []string{
		"url", "token", "listen", "data", "database", "key-url", "tls-cert", "tls-key", "tableau-ca-file", "tableau-allow-cidr",
		"external-url", "smtp-host", "smtp-port", "smtp-user", "smtp-password", "smtp-password-file", "smtp-from", "smtp-tls", "smtp-ca-file",
		"webhook-ca-file", "webhook-allow-cidr", "audit-head", "trusted-proxies",
	}
}

// loadSettings reads the configuration file, the environment and flags.
func loadSettings(flags *pflag.FlagSet, getenv func(string) string) (settings, error) {
	k := koanf.New(".")
	if err := loadFile(k, configFile(getenv)); err != nil {
		return settings{}, err
	}
	names := settingNames()
	variables := env.Provider(".", env.Opt{Prefix: "MARGAY_", TransformFunc: func(name, value string) (string, any) {
		key := strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(name, "MARGAY_")), "_", "-")
		if value == "" || !slices.Contains(names, key) {
			return "", nil
		}
		return key, value
	}})
	if err := errors.Join(k.Load(variables, nil), k.Load(posflag.Provider(flags, ".", k), nil)); err != nil {
		return settings{}, err
	}
	return settings{
		URL: k.String("url"), Token: k.String("token"), Listen: k.String("listen"), Data: k.String("data"), Database: k.String("database"),
		KeyURL: k.String("key-url"), TLSCert: k.String("tls-cert"), TLSKey: k.String("tls-key"),
		CAFile: k.String("tableau-ca-file"), AllowCIDR: k.String("tableau-allow-cidr"),
		Notices: server.Notices{
			ExternalURL: k.String("external-url"), WebhookCAFile: k.String("webhook-ca-file"), WebhookAllowCIDR: k.String("webhook-allow-cidr"),
			SMTPPasswordFile: k.String("smtp-password-file"), SMTPCAFile: k.String("smtp-ca-file"),
			SMTP: notice.SMTP{
				Host: k.String("smtp-host"), Port: k.Int("smtp-port"), User: k.String("smtp-user"), Password: k.String("smtp-password"),
				From: k.String("smtp-from"), TLS: k.String("smtp-tls"),
			},
		},
		AuditHead: k.String("audit-head"), Proxies: k.String("trusted-proxies"),
	}, nil
}

// configFile returns where the configuration file is, if it is anywhere.
func configFile(getenv func(string) string) string {
	dir := getenv("XDG_CONFIG_HOME")
	if dir == "" {
		home := getenv("HOME")
		if home == "" {
			return ""
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "margay", "config.yaml")
}

// loadFile reads the configuration file, if it is there. One that holds a token
// must be its owner's alone.
func loadFile(k *koanf.Koanf, path string) error {
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(path) //nolint:gosec // the user's own file
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fault.New(fault.Invalid, "The configuration file cannot be read: %v.", err).WithCode("config")
	}
	if err := k.Load(rawbytes.Provider(text), yaml.Parser()); err != nil {
		return fault.New(fault.Invalid, "The configuration file %s is not YAML.", path).WithCode("config").Because(err).
			WithHint("It holds lines such as url: https://margay.example")
	}
	for _, key := range k.Keys() {
		if !slices.Contains(settingNames(), key) {
			return fault.New(fault.Invalid, "The configuration file %s has an unknown setting %q.", path, key).WithCode("config").
				WithHint("The settings are: %s.", strings.Join(settingNames(), ", "))
		}
	}
	if !k.Exists("token") && !k.Exists("database") && !k.Exists("smtp-password") {
		return nil
	}
	info, err := os.Stat(path)
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		return fault.New(fault.Invalid, "Others may read the configuration file %s, and it holds a secret.", path).WithCode("config").
			WithHint("chmod 600 %s", path)
	}
	return err
}
