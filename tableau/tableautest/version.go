package tableautest

import (
	"cmp"
	"strconv"
	"strings"
)

// version is a version of the REST API: 3.24 comes after 3.9.
type version struct{ major, minor int }

// parseVersion reads "3.24".
func parseVersion(s string) (version, bool) {
	major, minor, ok := strings.Cut(s, ".")
	if !ok {
		return version{}, false
	}
	a, errA := strconv.ParseUint(major, 10, 16)
	b, errB := strconv.ParseUint(minor, 10, 16)
	return version{int(a), int(b)}, errA == nil && errB == nil
}

// v is a version written in the source; it panics on a bad one.
func v(s string) version {
	p, ok := parseVersion(s)
	if !ok {
		panic("tableautest: bad API version " + strconv.Quote(s))
	}
	return p
}

func (a version) before(b version) bool {
	return cmp.Or(cmp.Compare(a.major, b.major), cmp.Compare(a.minor, b.minor)) < 0
}

func (a version) String() string { return strconv.Itoa(a.major) + "." + strconv.Itoa(a.minor) }

// releaseOf returns the product release that brought an API version.
func releaseOf(api string) string {
	a, ok := parseVersion(api)
	switch {
	case !ok:
		return "2024.3"
	case a.major == 2:
		return "10." + strconv.Itoa(max(0, a.minor-3))
	case a.minor < 3: // 3.0, 3.1 and 3.2 are 2018.1 to 2018.3
		return "2018." + strconv.Itoa(a.minor+1)
	case a.minor < 7: // 3.3 to 3.6 are 2019.1 to 2019.4
		return "2019." + strconv.Itoa(a.minor-2)
	case a.minor < 15: // four releases a year in 2020 and 2021
		return strconv.Itoa(2020+(a.minor-7)/4) + "." + strconv.Itoa((a.minor-7)%4+1)
	case a.minor < 19: // 3.18 was a release of Cloud alone
		return "2022." + strconv.Itoa(min(3, a.minor-14))
	default: // three a year from 2023
		return strconv.Itoa(2023+(a.minor-19)/3) + "." + strconv.Itoa((a.minor-19)%3+1)
	}
}

// buildOf makes up a build number of a release, in Tableau's form.
func buildOf(release string) string {
	year, part, _ := strings.Cut(release, ".")
	if len(year) != 4 {
		return release + "0000.16.1105.1420"
	}
	return year + part + "." + year[2:] + ".0823.1450"
}
