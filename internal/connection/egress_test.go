package connection_test

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/margay-access/margay/internal/connection"
	"github.com/margay-access/margay/internal/fault"
)

func guard(t *testing.T, allow string) connection.Egress {
	t.Helper()
	e, err := connection.NewEgress(allow)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// dial asks the guard as a dialler does.
func dial(e connection.Egress, ip string) error {
	return e.Control("tcp", net.JoinHostPort(ip, "443"), nil)
}

// wrappings returns an IPv4 address in each form of IPv6 that leads on to it.
func wrappings(v4 string) map[string]string {
	b := netip.MustParseAddr(v4).As4()
	at := func(prefix string, i int, flip byte) string {
		a := netip.MustParseAddr(prefix).As16()
		for k := range b {
			a[i+k] = b[k] ^ flip
		}
		return netip.AddrFrom16(a).String()
	}
	return map[string]string{
		"mapped": at("::ffff:0:0", 12, 0), "compatible": at("::", 12, 0), "translated": at("::ffff:0:0:0", 12, 0), "NAT64": at("64:ff9b::", 12, 0),
		"local NAT64": at("64:ff9b:1::", 12, 0), "6to4": at("2002::1", 2, 0), "Teredo": at("2001:0:4136:e378:8000:63bf::", 12, 0xff),
	}
}

const everything = "0.0.0.0/0 ::/0"

func TestEgressLetsPublicAddressesThrough(t *testing.T) {
	t.Parallel()
	for _, ip := range []string{"8.8.8.8", "155.226.144.1", "::ffff:8.8.8.8", "2606:4700::1111", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0", "11.0.0.0", "9.255.255.255", "2003::1"} {
		if err := dial(guard(t, ""), ip); err != nil {
			t.Errorf("%s: %v", ip, err)
		}
	}
}

// closedTo are addresses of each range that is refused unless it is listed.
var closedTo = []string{
	"10.0.0.0", "10.1.2.3", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.254", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1",
	"192.88.99.1", "192.168.0.1", "192.168.255.255", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1",
	"::1", "100::1", "2001:db8::1", "2001:2::1", "2001:10::1", "2001:20::1", "3fff::1", "5f00::1", "fc00::1", "fd12:3456::1", "fec0::1",
}

func TestEgressRefusesUnlessListed(t *testing.T) {
	t.Parallel()
	for _, ip := range closedTo {
		err := dial(guard(t, ""), ip)
		f := fault.Public(err)
		if f.Kind != fault.Upstream || f.Code != "egress_blocked" || !strings.Contains(f.Message, "MARGAY_TABLEAU_ALLOW_CIDR") || !strings.Contains(f.Hint, "MARGAY_TABLEAU_ALLOW_CIDR") {
			t.Errorf("%s: %v (%s, %s, %s)", ip, err, f.Kind, f.Code, f.Hint)
		}
		only := netip.PrefixFrom(netip.MustParseAddr(ip), netip.MustParseAddr(ip).BitLen()).String()
		if err := dial(guard(t, only), ip); err != nil {
			t.Errorf("%s, listed: %v", ip, err)
		}
		if err := dial(guard(t, everything), ip); err != nil {
			t.Errorf("%s, all listed: %v", ip, err)
		}
		if err := dial(guard(t, "192.0.2.7/32, 2001:db8:7::/64"), ip); err == nil {
			t.Errorf("%s passes because another range is listed", ip)
		}
	}
}

// neverTo are addresses that no setting opens.
var neverTo = []string{
	"0.0.0.0", "0.1.2.3", "169.254.169.254", "169.254.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
	"::", "fe80::1", "fe80::1%eth0", "ff02::1", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254",
}

func TestEgressNeverReachesMetadata(t *testing.T) {
	t.Parallel()
	for _, ip := range neverTo {
		for _, allow := range []string{"", everything, "169.0.0.0/8, 100.0.0.0/8, fc00::/7"} {
			err := dial(guard(t, allow), ip)
			if f := fault.Public(err); f.Code != "egress_blocked" || f.Kind != fault.Upstream || f.Hint == "" {
				t.Errorf("%s, listed %q: %v", ip, allow, err)
			}
		}
	}
}

// An IPv6 address that leads on to an IPv4 address is as good as that one.
func TestEgressLooksThroughTranslation(t *testing.T) {
	t.Parallel()
	for _, v4 := range []string{"169.254.169.254", "100.100.100.200", "0.0.0.0", "255.255.255.255"} {
		for how, ip := range wrappings(v4) {
			if ip == "::" {
				continue
			}
			if err := dial(guard(t, everything), ip); err == nil {
				t.Errorf("%s as %s (%s) passes", v4, how, ip)
			}
		}
	}
	for _, v4 := range []string{"10.1.2.3", "127.0.0.1", "192.168.1.1"} {
		for how, ip := range wrappings(v4) {
			if err := dial(guard(t, ""), ip); err == nil {
				t.Errorf("%s as %s (%s) passes", v4, how, ip)
			}
			if err := dial(guard(t, "::ffff:0:0:0/96 64:ff9b::/96 64:ff9b:1::/96 2002::/16 2001::/32 ::/96"), ip); err == nil {
				t.Errorf("%s as %s (%s) passes because the translation is listed", v4, how, ip)
			}
			if err := dial(guard(t, everything), ip); err != nil {
				t.Errorf("%s as %s (%s), all listed: %v", v4, how, ip, err)
			}
		}
	}
	// With NAT64 a public address is reached through a listed range.
	nat64 := wrappings("8.8.8.8")["NAT64"]
	if err := dial(guard(t, ""), nat64); err == nil {
		t.Error("NAT64 is not listed and passes")
	}
	if err := dial(guard(t, "64:ff9b::/96"), nat64); err != nil {
		t.Errorf("NAT64 to a public address: %v", err)
	}
}

func TestNewEgress(t *testing.T) {
	t.Parallel()
	for _, allow := range []string{"", "10.0.0.0/8", " 10.0.0.0/8 ,127.0.0.1/32,, fd12::/16", "10.1.2.3/8", "0.0.0.0/0"} {
		if _, err := connection.NewEgress(allow); err != nil {
			t.Errorf("%q: %v", allow, err)
		}
	}
	for _, allow := range []string{"10.0.0.0", "all", "10.0.0.0/33", "169.254.0.0/16", "169.254.169.254/32", "fe80::/10", "fe80::1/128", "fd00:ec2::254/128", "224.0.0.0/8", "::ffff:169.254.169.254/128", "0.0.0.0/8", "fe80::%eth0/10"} {
		_, err := connection.NewEgress(allow)
		if f := fault.Public(err); f.Kind != fault.Invalid || !strings.HasPrefix(f.Message, "MARGAY_TABLEAU_ALLOW_CIDR: ") {
			t.Errorf("%q: %v", allow, err)
		}
	}
	if err := dial(guard(t, "::ffff:10.0.0.0/104"), "10.1.2.3"); err != nil {
		t.Errorf("a range in mapped form: %v", err)
	}
	if err := dial(guard(t, "10.0.0.0/8"), "::ffff:10.1.2.3"); err != nil {
		t.Errorf("an address in mapped form: %v", err)
	}
}

func TestEgressRefusesWhatIsNoAddress(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "tableau.example:443", "8.8.8.8", "8.8.8.8:", "[::1]", "8.8.8.8:99999", "/var/run/socket"} {
		if err := guard(t, everything).Control("tcp", address, nil); err == nil {
			t.Errorf("%q passes", address)
		}
	}
}
