// Package assets holds what pages need in a browser: style and scripts, built by
// `make assets` from src and from the npm packages of the lock file, and
// embedded.
//
// Each file is served under an address that holds its content's hash, so that
// browsers keep it for good; it was compressed when it was built. A binary that
// was built without them has none: Built says so, and pages say it too. The
// package knows nothing of pages.
package assets

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"
)

// The built files. Beside each stands NAME.gz.
//
//go:embed all:dist
var dist embed.FS

// Prefix is where assets are served.
const Prefix = "/assets/"

type file struct {
	name   string
	etag   string
	plain  []byte
	packed []byte // gzip; nil when there is none
}

type catalogue struct {
	urls  map[string]string // "app.css" → "/assets/app.0123456789ab.css"
	files map[string]file   // by URL
}

var catalogued = sync.OnceValue(func() catalogue {
	c := catalogue{urls: map[string]string{}, files: map[string]file{}}
	entries, err := fs.ReadDir(dist, "dist")
	if err != nil {
		return c // an embedded folder that is there when it is compiled
	}
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() || strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".gz") {
			continue
		}
		plain, err := dist.ReadFile("dist/" + name)
		if err != nil {
			continue
		}
		packed, _ := dist.ReadFile("dist/" + name + ".gz") // without it, it is served as it is
		sum := sha256.Sum256(plain)
		hash := hex.EncodeToString(sum[:6])
		ext := path.Ext(name)
		url := Prefix + strings.TrimSuffix(name, ext) + "." + hash + ext
		c.urls[name] = url
		c.files[url] = file{name: name, etag: `"` + hash + `"`, plain: plain, packed: packed}
	}
	return c
})

// Built says whether the binary holds assets.
func Built() bool { return catalogued().urls["app.css"] != "" }

// URL returns where an asset is served: URL("app.css"). Without assets it is a
// place where there is nothing.
func URL(name string) string {
	if url, ok := catalogued().urls[name]; ok {
		return url
	}
	return Prefix + name
}

// Size returns how many bytes of an asset are sent to a browser.
func Size(name string) int {
	f := catalogued().files[URL(name)]
	if f.packed != nil {
		return len(f.packed)
	}
	return len(f.plain)
}

// Handler serves the assets below [Prefix].
func Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, ok := catalogued().files[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		h := w.Header()
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		h.Set("Content-Type", mime.TypeByExtension(path.Ext(f.name)))
		h.Set("Etag", f.etag)
		h.Set("Vary", "Accept-Encoding")
		h.Set("X-Content-Type-Options", "nosniff")
		body := f.plain
		if f.packed != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			h.Set("Content-Encoding", "gzip")
			h.Set("Etag", strings.TrimSuffix(f.etag, `"`)+`-gz"`)
			body = f.packed
		}
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(body)))
	})
}
