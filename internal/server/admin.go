package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/seal"
	"github.com/margay-access/margay/internal/store"
)

// socketName is the socket in the data folder through which `margay admin`
// reaches a running server. Only the folder's owner may open it.
const socketName = "admin.sock"

type adminRequest struct {
	Email    string           `json:"email"`
	Scopes   []identity.Scope `json:"scopes,omitempty"`
	Password string           `json:"password,omitempty"`
}

type adminAnswer struct {
	Token string     `json:"token,omitempty"`
	Email string     `json:"email,omitempty"`
	Kind  fault.Kind `json:"kind,omitempty"`
	Code  string     `json:"code,omitempty"`
	Error string     `json:"error,omitempty"`
	Hint  string     `json:"hint,omitempty"`
}

// adminActs are what `margay admin` asks for, by the path on the socket.
var adminActs = map[string]func(ctx context.Context, people *identity.Service, in adminRequest) (adminAnswer, error){
	"/token": func(ctx context.Context, people *identity.Service, in adminRequest) (adminAnswer, error) {
		token, err := people.IssueToken(ctx, in.Email, in.Scopes)
		return adminAnswer{Token: token}, err
	},
	"/password": func(ctx context.Context, people *identity.Service, in adminRequest) (adminAnswer, error) {
		p, err := people.SetPassword(ctx, in.Email, in.Password)
		return adminAnswer{Email: p.Email}, err
	},
}

// IsNew says whether the data folder has no database yet: what is done in it
// makes one.
func IsNew(cfg Config) bool {
	if cfg.Database != "" {
		return false
	}
	_, err := os.Stat(databaseFile(cfg))
	return errors.Is(err, fs.ErrNotExist)
}

// Token makes an API token for the person of the e-mail address: through a
// running server's socket when there is one, else in the database itself.
func Token(ctx context.Context, cfg Config, email string, scopes []identity.Scope) (string, error) {
	out, err := administer(ctx, cfg, "/token", adminRequest{Email: email, Scopes: scopes})
	return out.Token, err
}

// Password sets the password of the person of the e-mail address, in the same
// way, and returns whose it is. Without an address it is the first
// administrator's, who is made when there is none.
func Password(ctx context.Context, cfg Config, email, password string) (string, error) {
	out, err := administer(ctx, cfg, "/password", adminRequest{Email: email, Password: password})
	return out.Email, err
}

func administer(ctx context.Context, cfg Config, act string, in adminRequest) (adminAnswer, error) {
	if err := cfg.fill(); err != nil {
		return adminAnswer{}, err
	}
	// A server that is starting has the database before it has the socket.
	return patiently(ctx, adminPatience, func() (adminAnswer, error) {
		if out, reached, err := bySocket(ctx, cfg.Data, act, in); reached {
			return out, err
		}
		db, err := openStore(ctx, cfg)
		if err != nil {
			return adminAnswer{}, err
		}
		out, err := inDatabase(ctx, cfg, db, act, in)
		return out, errors.Join(err, db.Close())
	})
}

// inDatabase does it where the rows are. Without the key of the audit chain,
// which only a data folder or a key service gives, the event is kept for the
// server to seal.
func inDatabase(ctx context.Context, cfg Config, db *store.DB, act string, in adminRequest) (adminAnswer, error) {
	key, err := chainKey(ctx, cfg, db)
	if err != nil {
		return adminAnswer{}, err
	}
	db.Use(key, nil)
	return adminActs[act](ctx, identity.NewService(db, cfg.Now, newID), in)
}

func chainKey(ctx context.Context, cfg Config, db *store.DB) ([]byte, error) {
	shared := cfg.Database != ""
	if made, err := seal.Made(ctx, db); err != nil || shared && !made {
		return nil, err // the server's folder is where its key will be made
	}
	sealer, err := seal.Open(ctx, cfg.KeyURL, db)
	if shared && errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return sealer.AuditKey(ctx)
}

func bySocket(ctx context.Context, data, act string, in adminRequest) (out adminAnswer, reached bool, err error) {
	path, release, err := socketPath(data)
	if err != nil {
		return out, false, err
	}
	defer release()
	conn, err := (&net.Dialer{Timeout: 2 * time.Second}).DialContext(ctx, "unix", path)
	if err != nil {
		return out, false, nil // nobody serves this folder
	}
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return conn, nil },
	}}
	text, err := json.Marshal(in) //nolint:gosec // it goes through a socket that only the owner may open
	if err != nil {
		return out, true, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://admin"+act, bytes.NewReader(text))
	if err != nil {
		return out, true, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return out, true, fmt.Errorf("ask the running server: %w", err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<16)).Decode(&out); err != nil {
		return out, true, fmt.Errorf("read the running server's answer: %w", err)
	}
	if out.Error != "" {
		return out, true, fault.New(out.Kind, "%s", out.Error).WithCode(out.Code).WithHint("%s", out.Hint)
	}
	return out, true, nil
}

// adminSocket is the served socket.
type adminSocket struct {
	server  *http.Server
	release func()
}

func (a *adminSocket) close() error {
	if a == nil {
		return nil
	}
	defer a.release()
	return a.server.Close()
}

func (s *Server) serveAdmin(ctx context.Context, background *sync.WaitGroup) (*adminSocket, error) {
	path, release, err := socketPath(s.cfg.Data)
	if err != nil {
		return nil, err
	}
	_ = os.Remove(filepath.Join(s.cfg.Data, socketName)) // left by a process that was killed
	listener, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if err != nil {
		release()
		return nil, fmt.Errorf("listen on the admin socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		release()
		return nil, errors.Join(err, listener.Close())
	}
	mux := http.NewServeMux()
	for path, act := range adminActs {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) { s.adminAct(w, r, act) })
	}
	a := &adminSocket{server: &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}, release: release}
	background.Go(func() {
		if err := a.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.cfg.Log.WarnContext(ctx, "the admin socket closed", "error", err)
		}
	})
	return a, nil
}

func (s *Server) adminAct(w http.ResponseWriter, r *http.Request, act func(context.Context, *identity.Service, adminRequest) (adminAnswer, error)) {
	var in adminRequest
	var out adminAnswer
	err := json.NewDecoder(io.LimitReader(r.Body, 1<<16)).Decode(&in)
	if err == nil {
		out, err = act(r.Context(), s.identity, in)
	}
	if err != nil {
		f := fault.Public(err)
		out = adminAnswer{Kind: f.Kind, Code: f.Code, Error: f.Message, Hint: f.Hint}
		s.cfg.Log.WarnContext(r.Context(), "margay admin was refused", "error", err)
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(out); err != nil {
		s.cfg.Log.WarnContext(r.Context(), "the answer to margay admin was not delivered", "error", err)
	}
}

// maxSocketPath is what the system takes for a socket's name, with room to spare.
const maxSocketPath = 100

// socketPath returns a name of the socket that is short enough for the system:
// a long folder is reached through a descriptor of it.
func socketPath(data string) (path string, release func(), err error) {
	path = filepath.Join(data, socketName)
	if len(path) <= maxSocketPath {
		return path, func() {}, nil
	}
	dir, err := os.Open(data) //nolint:gosec // the operator names the folder
	if err != nil {
		return "", nil, fmt.Errorf("open the data folder: %w", err)
	}
	return filepath.Join("/proc/self/fd", strconv.Itoa(int(dir.Fd())), socketName), func() { _ = dir.Close() }, nil
}
