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
	allow   []netip.Prefix
	setting string // what opens private ranges
	whose   string // who may live there
}

// never lists ranges that no setting opens: link-local, the addresses at which
// clouds tell machines their secrets, and what is no unicast address.
var never = prefixes(
	"0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4",
	"100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32", // Alibaba, Azure, Oracle
	"::/128", "fe80::/10", "ff00::/8",
	"fd00:ec2::/32", "fd20:ce::254/128", // Amazon, Google
)

// closed lists ranges that are refused unless the operator lists them: the
// special-purpose registries of IANA. The standard library's predicates miss
// several of them.
var closed = prefixes(
	"10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
	"192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
	"::1/128", "::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16",
	"fc00::/7", "fec0::/10",
)

// carriers are the ranges of IPv6 whose addresses lead on to an IPv4 address
// that stands in them, at this byte.
var carriers = []struct {
	prefix netip.Prefix
	at     int
	flip   byte // what the bytes are XORed with
}{
	{netip.MustParsePrefix("::/96"), 12, 0},           // IPv4-compatible
	{netip.MustParsePrefix("::ffff:0:0:0/96"), 12, 0}, // IPv4-translated
	{netip.MustParsePrefix("64:ff9b::/96"), 12, 0},    // NAT64
	{netip.MustParsePrefix("64:ff9b:1::/96"), 12, 0},  // NAT64 of one network, with its longest prefix
	{netip.MustParsePrefix("2002::/16"), 2, 0},        // 6to4
	{netip.MustParsePrefix("2001::/32"), 12, 0xff},    // Teredo
}

// carried returns the IPv4 address that an IPv6 address leads on to.
func carried(a netip.Addr) (netip.Addr, bool) {
	if !a.Is6() || a.IsLoopback() || a.IsUnspecified() {
		return netip.Addr{}, false
	}
	b := a.As16()
	for _, c := range carriers {
		if c.prefix.Contains(a) {
			v4 := [4]byte(b[c.at : c.at+4])
			for i := range v4 {
				v4[i] ^= c.flip
			}
			return netip.AddrFrom4(v4), true
		}
	}
	return netip.Addr{}, false
}

func prefixes(texts ...string) []netip.Prefix {
	ps := make([]netip.Prefix, len(texts))
	for i, t := range texts {
		ps[i] = netip.MustParsePrefix(t)
	}
	return ps
}

// NewEgress returns a guard that lets public addresses through, and those of
// the listed ranges ("10.0.0.0/8, 127.0.0.1/32").
func NewEgress(allow string) (Egress, error) { return NewEgressOf(EgressSetting, "Tableau", allow) }

// NewEgressOf returns a guard like that of NewEgress for other calls than those
// to Tableau: setting is named in the sentence that refuses, and whose says who
// may live in the ranges that it lists.
func NewEgressOf(setting, whose, allow string) (Egress, error) {
	e := Egress{setting: setting, whose: whose}
	for _, text := range strings.FieldsFunc(allow, func(r rune) bool { return r == ',' || r == ' ' }) {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return Egress{}, fault.New(fault.Invalid, "%s: %q is not a range of addresses, such as 10.20.0.0/16.", setting, text)
		}
		if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
		}
		if slices.ContainsFunc(never, func(n netip.Prefix) bool { return p.Overlaps(n) && n.Bits() <= p.Bits() }) {
			return Egress{}, fault.New(fault.Invalid, "%s: %s is never allowed: it holds link-local or metadata addresses.", setting, text)
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
	if err := e.check(addr, addr); err != nil {
		return err
	}
	if v4, ok := carried(addr); ok {
		return e.check(addr, v4)
	}
	return nil
}

// check refuses dialled because of what it is or leads to.
func (e Egress) check(dialled, addr netip.Addr) error {
	if in(never, addr) {
		return fault.New(fault.Upstream, "%s is an address that this service never calls.", dialled).WithCode("egress_blocked").
			WithHint("Check the Server URL: its name leads to a link-local or metadata address.")
	}
	if in(closed, addr) && !in(e.allow, addr) {
		return fault.New(fault.Upstream, "%s is inside a network that this service may not call unless %s lists it.", dialled, e.setting).
			WithCode("egress_blocked").WithHint("When %s lives there, the operator lists its range in %s.", e.whose, e.setting)
	}
	return nil
}

func in(ranges []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(ranges, func(p netip.Prefix) bool { return p.Contains(a) })
}
