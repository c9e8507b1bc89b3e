package tableautest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	mathrand "math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// installation is one simulated Tableau: its sites, PATs, sessions and journal.
//
// Everything below mu is read under its read lock and changed under its write
// lock. Records of users and content are never changed in place but replaced,
// so that a list can be filtered and rendered after the lock is released.
type installation struct {
	config    atomic.Pointer[Config] // replaced, never changed: see [Site.SetSwitch]
	began     Config                 // as it was configured
	oldest    version
	newest    version
	offset    atomic.Int64 // how far the clock was put forward, in nanoseconds
	journal   *journal
	faults    faults
	throttle  throttle
	down      atomic.Bool
	mu        sync.RWMutex
	ids       *mathrand.Rand
	sites     []*siteState
	pats      []*pat
	sessions  map[[32]byte]*session
	schedules []*scheduleRecord
	signIns   int
	evictions int
	passwords map[string][32]byte // by account
}

func newInstallation(cfg Config) *installation {
	cfg = cfg.withDefaults()
	in := &installation{journal: newJournal(), sessions: map[[32]byte]*session{}, passwords: map[string][32]byte{}}
	in.began = cfg
	in.config.Store(&cfg)
	in.oldest, in.newest = v(cfg.MinVersion), v(cfg.MaxVersion)
	seed := [32]byte{}
	if cfg.Seed == 0 {
		_, _ = rand.Read(seed[:]) // crypto/rand does not fail
	} else {
		binary.LittleEndian.PutUint64(seed[:], cfg.Seed)
	}
	in.ids = mathrand.New(mathrand.NewChaCha8(seed))
	in.throttle.limits = cfg.Limits
	return in
}

// cfg is how the installation behaves at the moment.
func (in *installation) cfg() *Config { return in.config.Load() }

// now is the simulated time.
func (in *installation) now() time.Time {
	return in.cfg().Now().Add(time.Duration(in.offset.Load()))
}

// luid makes an id in Tableau's form, a lower-case version 4 UUID. The caller
// holds the lock.
func (in *installation) luid() string {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], in.ids.Uint64())
	binary.LittleEndian.PutUint64(b[8:], in.ids.Uint64())
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// secretText makes n characters nobody can guess.
func secretText(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // crypto/rand does not fail
	return base64.RawURLEncoding.EncodeToString(b)[:n]
}

func digest(s string) [32]byte { return sha256.Sum256([]byte(s)) }

// siteByURL finds a site by its content URL, which is case-insensitive. The
// caller holds the lock.
func (in *installation) siteByURL(contentURL string) *siteState {
	for _, s := range in.sites {
		if strings.EqualFold(s.contentURL, contentURL) {
			return s
		}
	}
	return nil
}

func (in *installation) siteByID(id string) *siteState {
	for _, s := range in.sites {
		if s.id == id {
			return s
		}
	}
	return nil
}
