package web

import (
	"compress/gzip"
	"context"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/web/assets"
)

type requestIDKey struct{}

func requestIDOf(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// policy lets a page load from this server and nowhere else, and run nothing
// that stands in the page itself.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// secure gives each answer an id and the headers that keep it to itself, bounds
// what is sent, and refuses forms that other sites send.
func (s *site) secure(next http.Handler) http.Handler {
	cross := http.NewCrossOriginProtection()
	cross.SetDenyHandler(s.bare(func(*Request) error {
		return fault.New(fault.Forbidden, "This was sent from another site, so it was not done.").WithCode("cross_origin").
			WithHint("Open the page in Margay and do it there.")
	}))
	guarded := cross.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("X-Request-Id")
		if !saneID(id) {
			id = "req_" + strings.ReplaceAll(uuid.Must(uuid.NewV7()).String(), "-", "")
		}
		h := w.Header()
		h.Set("X-Request-Id", id)
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		if strings.HasPrefix(r.URL.Path, identity.LinkPath) {
			h.Set("Referrer-Policy", "strict-origin") // the address itself is a secret
		}
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("X-Frame-Options", "DENY")
		if !strings.HasPrefix(r.URL.Path, assets.Prefix) {
			h.Set("Cache-Control", "no-store")
		}
		if s.overTLS(r) {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		guarded.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id)))
	})
}

func saneID(id string) bool {
	return id != "" && len(id) <= 64 && strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == ""
}

// overTLS says whether the browser speaks TLS: to us, or to the proxy in front
// of us.
func (s *site) overTLS(r *http.Request) bool {
	return r.TLS != nil || s.External != nil && s.External.Scheme == "https"
}

// smallest is the size below which compressing a page is no gain.
const smallest = 1 << 10

// send writes a page, compressed when the browser takes that.
func (r *Request) send(status int, body []byte) error {
	h := r.w.Header()
	h.Set("Vary", "Accept-Encoding, Cookie")
	if len(body) < smallest || !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		r.w.WriteHeader(status)
		_, _ = r.w.Write(body) // the browser may be gone
		return nil
	}
	h.Set("Content-Encoding", "gzip")
	r.w.WriteHeader(status)
	z := gzip.NewWriter(r.w)
	_, _ = z.Write(body) // as above
	_ = z.Close()
	return nil
}
