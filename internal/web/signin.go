package web

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/web/ui"
)

func (s *site) signInPages() {
	s.mux.HandleFunc("GET /sign-in", s.bare(s.signInPage))
	s.mux.HandleFunc("POST /sign-in", s.bare(s.signIn))
	s.mux.HandleFunc("POST /sign-out", s.bare(s.signOut))
}

// signInForm is what the page shows again.
type signInForm struct {
	email, next string
	trouble     *ui.Trouble
	insecure    bool
}

func (s *site) signInPage(r *Request) error {
	next := safeNext(r.URL.Query().Get("next"))
	if r.authenticate() == nil {
		r.redirect(next)
		return nil
	}
	r.env.Notices = r.takeFlash()
	return r.Render(http.StatusOK, signInView(signInForm{next: next, insecure: !s.mayCarryPassword(r.Request)}))
}

// mayCarryPassword says whether a password may be sent here: over TLS, on this
// machine, or where the operator said that plain http is meant.
func (s *site) mayCarryPassword(r *http.Request) bool {
	if s.overTLS(r) || s.External != nil {
		return true
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return strings.EqualFold(host, "localhost") || err == nil && addr.IsLoopback()
}

func (s *site) signIn(r *Request) error {
	if err := r.parse(); err != nil {
		return err
	}
	form := signInForm{email: r.Value("email"), next: safeNext(r.PostFormValue("next")), insecure: !s.mayCarryPassword(r.Request)}
	if form.insecure {
		return r.Render(http.StatusForbidden, signInView(form))
	}
	address := s.addressOf(r.Request)
	err := s.addresses.take(address)
	if err == nil {
		var value string
		_, value, err = s.Identity.SignIn(r.Context(), form.email, r.PostFormValue("password"), identity.From{Agent: r.UserAgent(), Address: address})
		if err == nil {
			return s.begin(r, value, form.next)
		}
	}
	f := fault.Public(err)
	if f.Kind == fault.Internal {
		return err
	}
	trouble := Trouble(err)
	form.trouble = &trouble
	status := http.StatusUnauthorized
	if t, ok := errors.AsType[*identity.ThrottledError](err); ok {
		status = http.StatusTooManyRequests
		r.w.Header().Set("Retry-After", retryAfter(t.Again, r.Now))
	}
	return r.Render(status, signInView(form))
}

// begin gives the browser its new session; the one before, if any, ends.
func (s *site) begin(r *Request, value, next string) error {
	if before := r.sessionValue(); before != "" {
		if who, _, err := s.Identity.AuthenticateSession(r.Context(), before); err == nil {
			if err := s.Identity.SignOut(r.Context(), who); err != nil {
				return err
			}
		}
	}
	r.setCookie(sessionCookie, value, identity.SessionLongest)
	r.redirect(next)
	return nil
}

func (s *site) signOut(r *Request) error {
	if r.authenticate() == nil {
		if err := s.Identity.SignOut(r.Context(), r.Actor); err != nil {
			return err
		}
	}
	r.setCookie(sessionCookie, "", -1)
	return r.Done("/sign-in", "You are signed out.")
}

// addressOf returns where a request comes from: behind a proxy that is trusted,
// whom that names.
func (s *site) addressOf(r *http.Request) string {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	addr := at.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && s.trusts(addr); i-- {
		next, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = next.Unmap()
	}
	return addr.String()
}

func (s *site) trusts(addr netip.Addr) bool {
	for _, p := range s.TrustedProxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// perMinute is how many sign-ins one address may try.
const perMinute = 20

// addressThrottle bounds what one address can try on this node.
type addressThrottle struct {
	now func() time.Time
	mu  sync.Mutex
	// tries counts by address (of IPv6 the /64: one household) and minute.
	tries  map[string]int
	minute time.Time
}

func newAddressThrottle(now func() time.Time) *addressThrottle {
	return &addressThrottle{now: now, tries: map[string]int{}}
}

func (a *addressThrottle) take(address string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	minute := a.now().Truncate(time.Minute)
	if !minute.Equal(a.minute) {
		a.minute = minute
		clear(a.tries)
	}
	if addr, err := netip.ParseAddr(address); err == nil && addr.Is6() {
		if p, err := addr.Prefix(64); err == nil {
			address = p.String()
		}
	}
	a.tries[address]++
	if a.tries[address] <= perMinute {
		return nil
	}
	return &identity.ThrottledError{Again: minute.Add(time.Minute), Err: fault.New(fault.Forbidden, "Too many sign-ins were tried from your network. Try again in a minute.").
		WithCode("sign_in_throttled")}
}
