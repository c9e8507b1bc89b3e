package connection

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"

	"github.com/margay-access/margay/internal/fault"
)

// EgressSetting is the setting that opens private ranges, named in the sentence
// that refuses them.
const EgressSetting = "MARGAY_TABLEAU_ALLOW_CIDR"

// Egress says which addresses may be dialled. It is asked with the address that
// is really dialled, after name resolution, so a name that changes its address
// between two look-ups gains nothing.
type Egress struct {
	allow []netip.Prefix
}

// never lists ranges that no setting opens: link-local with the metadata
// addresses of clouds, and what is no unicast address.
var never = prefixes("0.0.0.0/8", "169.254.0.0/16", "100.100.100.200/32", "224.0.0.0/4", "240.0.0.0/4",
	"::/128", "fe80::/10", "ff00::/8", "fd00:ec2::254/128")

// closed lists ranges that are refused unless the operator lists them. The
// standard library's predicates miss several of them.
var closed = prefixes("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
	"192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
	"::1/128", "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/32", "2001:db8::/32", "2002::/16", "fc00::/7", "fec0::/10")

func prefixes(texts ...string) []netip.Prefix {
	ps := make([]netip.Prefix, len(texts))
	for i, t := range texts {
		ps[i] = netip.MustParsePrefix(t)
	}
	return ps
}

// NewEgress returns a guard that lets public addresses through, and those of
// the listed ranges ("10.0.0.0/8, 127.0.0.1/32").
func NewEgress(allow string) (Egress, error) {
	var e Egress
	for _, text := range strings.FieldsFunc(allow, func(r rune) bool { return r == ',' || r == ' ' }) {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return Egress{}, fault.New(fault.Invalid, "%s: %q is not a range of addresses, such as 10.20.0.0/16.", EgressSetting, text)
		}
		if slices.ContainsFunc(never, func(n netip.Prefix) bool { return p.Overlaps(n) && n.Bits() <= p.Bits() }) {
			return Egress{}, fault.New(fault.Invalid, "%s: %s is never allowed: it holds link-local or metadata addresses.", EgressSetting, text)
		}
		e.allow = append(e.allow, p.Masked())
	}
	return e, nil
}

// Control refuses the connection when the address may not be dialled. It fits
// net.Dialer.Control.
func (e Egress) Control(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("dial %s: not an address", address)
	}
	addr := ap.Addr().WithZone("").Unmap()
	if in(never, addr) {
		return fault.New(fault.Upstream, "%s is an address that this service never calls.", addr).WithCode("egress_blocked").
			WithHint("Check the Server URL: its name leads to a link-local or metadata address.")
	}
	if in(closed, addr) && !in(e.allow, addr) {
		return fault.New(fault.Upstream, "%s is inside a network that this service may not call.", addr).WithCode("egress_blocked").
			WithHint("When Tableau lives there, the operator lists its range in %s.", EgressSetting)
	}
	return nil
}

func in(ranges []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(ranges, func(p netip.Prefix) bool { return p.Contains(a) })
}
