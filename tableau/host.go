package tableau

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// parseHost returns server as a lower-case host, with its port unless that is
// 443. It refuses anything that is more than a host: what is left is the only
// place that the PAT's secret ever goes to.
func parseHost(server string) (string, error) {
	refuse := func(why string) (string, error) {
		return "", &ConfigError{Field: "Server", Reason: why}
	}
	if server == "" {
		return refuse("is required")
	}
	host, port := server, ""
	if i := strings.LastIndexByte(server, ':'); i >= 0 && !strings.HasSuffix(server, "]") {
		host, port = server[:i], server[i+1:]
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 || port[0] == '0' || port[0] == '+' {
			return refuse("has no valid port; it must be a host or host:port")
		}
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		addr, err := netip.ParseAddr(inner)
		if !ok || err != nil || !addr.Is6() || addr.Zone() != "" {
			return refuse("is not a valid IPv6 address")
		}
		host = "[" + addr.String() + "]"
	} else if why := badName(host); why != "" {
		return refuse(why)
	}
	if port != "" && port != "443" {
		host += ":" + port
	}
	return host, nil
}

// badName says why a name cannot be a host, or nothing.
func badName(host string) string {
	if host == "" || len(host) > 253 {
		return "must be 1 to 253 characters"
	}
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return fmt.Sprintf("has an invalid part %q", label)
		}
		for _, c := range []byte(label) {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return "must be a host without scheme, path or user (letters, digits, dots and hyphens; other scripts in their xn-- form)"
			}
		}
	}
	// Resolvers read 127.1, 2130706433 and 0x7f.1 as addresses. A name whose
	// last part is a number is an address, so it must be a whole one.
	last := labels[len(labels)-1]
	if _, err := strconv.ParseUint(last, 0, 64); err == nil || last[0] >= '0' && last[0] <= '9' && allDigits(last) {
		if addr, err := netip.ParseAddr(host); err != nil || !addr.Is4() {
			return "is not a valid IPv4 address"
		}
	}
	return ""
}

func allDigits(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}
