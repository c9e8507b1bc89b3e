package tableautest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"time"
)

// State is what a simulated Tableau holds, in numbers.
type State struct {
	Product      Product     `json:"product"`
	MaxVersion   string      `json:"max_version"`
	Now          time.Time   `json:"now"`
	SignIns      int         `json:"sign_ins"`
	LiveSessions int         `json:"live_sessions"`
	Evictions    int         `json:"evictions"`
	Requests     int         `json:"requests"`
	Maintenance  bool        `json:"maintenance"`
	Sites        []SiteState `json:"sites"`
}

// SiteState is one site in a [State].
type SiteState struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	ContentURL string `json:"content_url"`
	Users      int    `json:"users"`
	Seats      Seats  `json:"seats"`
	SeatsTaken Seats  `json:"seats_taken"`
}

// State returns the state of the installation.
func (s *Site) State() State {
	st := State{
		Product: s.in.cfg().Product, MaxVersion: s.in.cfg().MaxVersion, Now: s.in.now(), SignIns: s.SignIns(),
		LiveSessions: s.LiveSessions(), Evictions: s.Evictions(), Maintenance: s.in.down.Load(), Requests: s.in.journal.len(),
	}
	for _, site := range s.Sites() {
		st.Sites = append(st.Sites, SiteState{
			ID: site.ID(), Name: site.Name(), ContentURL: site.ContentURL(), Users: site.UserCount(),
			Seats: site.Seats(), SeatsTaken: site.SeatsTaken(),
		})
	}
	return st
}

// controlUser is a user in the control API.
type controlUser struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	FullName  string    `json:"full_name"`
	Email     string    `json:"email"`
	Domain    string    `json:"domain"`
	Role      string    `json:"role"`
	LastLogin time.Time `json:"last_login,omitzero"`
}

func (u *User) control() controlUser {
	r := u.record()
	return controlUser{
		ID: u.id, Name: r.name, FullName: r.fullName, Email: r.email, Domain: r.domain, Role: r.role, LastLogin: r.lastLogin,
	}
}

// control is the API of tests over HTTP, under /_sim/. It answers JSON, asks
// for no credentials, and its requests are not in the journal.
type control struct{ site *Site }

// Control returns the control API. [Config.Control] mounts it under /_sim/:
//
//	GET    /_sim/state                what there is, in numbers
//	GET    /_sim/journal?since=SEQ    every request after SEQ
//	GET    /_sim/routes               every method, simulated or not
//	GET    /_sim/faults               the faults that are set, with their hits
//	POST   /_sim/faults               sets one or a list of them, as [Fault] in JSON; "delay" is
//	                                  text ("2s"), "body_base64" any bytes, and "changes" a list of
//	                                  {"when":"before|after","user","role","name","remove"} instead of hooks
//	DELETE /_sim/faults               takes them all back
//	GET    /_sim/users?site=URL       users of a site (default: the first)
//	POST   /_sim/users                {"name","role",...} adds one
//	GET    /_sim/users/{id or name}   one
//	PATCH  /_sim/users/{id or name}   {"role","name","email"} changes one from outside
//	DELETE /_sim/users/{id or name}   removes one
//	POST   /_sim/users/{user}/sign-in has one sign in at the web page
//	POST   /_sim/pats                 {"owner","name","secret","expires"} gives a PAT
//	DELETE /_sim/pats/{name}          revokes the PATs of that name
//	DELETE /_sim/sessions             ends every session; ?pat=NAME those of a PAT
//	GET    /_sim/switches             every way to behave that can be changed, as it is: see [Switch]
//	PATCH  /_sim/switches             {"no_license":"silent-unlicensed","total_skew":3,...} changes some
//	DELETE /_sim/switches             puts all back as the site began
//	PUT    /_sim/seats                {"creator","explorer","viewer"}
//	PUT    /_sim/limits               a list of [Limit]
//	PUT    /_sim/maintenance          {"on":true}
//	POST   /_sim/clock                {"advance":"1h30m"}
//
// Each takes the parameter site with the content URL of another site.
func (s *Site) Control() http.Handler {
	c := control{s}
	mux := http.NewServeMux()
	handle := func(pattern string, f func(*Site, *http.Request) (int, any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { c.answer(w, r, f) })
	}
	handle("GET /_sim/state", func(s *Site, _ *http.Request) (int, any, error) { return http.StatusOK, s.State(), nil })
	handle("GET /_sim/journal", controlJournal)
	handle("GET /_sim/routes", func(*Site, *http.Request) (int, any, error) { return http.StatusOK, Routes(), nil })
	handle("GET /_sim/faults", func(s *Site, _ *http.Request) (int, any, error) { return http.StatusOK, s.in.faults.status(), nil })
	handle("POST /_sim/faults", controlAddFaults)
	handle("DELETE /_sim/faults", func(s *Site, _ *http.Request) (int, any, error) {
		s.ClearFaults()
		return http.StatusNoContent, nil, nil
	})
	handle("GET /_sim/users", controlUsers)
	handle("POST /_sim/users", controlAddUser)
	handle("GET /_sim/users/{user}", withUser(func(u *User, _ *http.Request) (int, any, error) {
		return http.StatusOK, u.control(), nil
	}))
	handle("PATCH /_sim/users/{user}", withUser(controlPatchUser))
	handle("DELETE /_sim/users/{user}", withUser(func(u *User, _ *http.Request) (int, any, error) {
		u.Remove()
		return http.StatusNoContent, nil, nil
	}))
	handle("POST /_sim/users/{user}/sign-in", withUser(func(u *User, _ *http.Request) (int, any, error) {
		u.SignIn()
		return http.StatusOK, u.control(), nil
	}))
	handle("POST /_sim/pats", controlAddPAT)
	handle("DELETE /_sim/pats/{name}", controlRevokePAT)
	handle("DELETE /_sim/sessions", controlEndSessions)
	handle("GET /_sim/switches", func(s *Site, _ *http.Request) (int, any, error) { return http.StatusOK, s.Switches(), nil })
	handle("PATCH /_sim/switches", controlSwitches)
	handle("DELETE /_sim/switches", func(s *Site, _ *http.Request) (int, any, error) {
		s.ResetSwitches()
		return http.StatusOK, s.Switches(), nil
	})
	handle("PUT /_sim/seats", controlSeats)
	handle("PUT /_sim/limits", controlLimits)
	handle("PUT /_sim/maintenance", controlMaintenance)
	handle("POST /_sim/clock", controlClock)
	return mux
}

var (
	errNoSite = errors.New("no such site")
	errNoUser = errors.New("no such user")
	errNoPAT  = errors.New("no such PAT")
)

// answer runs one control method on the site that was named.
func (c control) answer(w http.ResponseWriter, r *http.Request, f func(*Site, *http.Request) (int, any, error)) {
	site, err := c.site, error(nil)
	if r.URL.Query().Has("site") {
		site = nil
		for _, s := range c.site.Sites() {
			if s.ContentURL() == r.URL.Query().Get("site") {
				site = s
			}
		}
		if site == nil {
			err = errNoSite
		}
	}
	var status int
	var body any
	if err == nil {
		status, body, err = f(site, r)
	}
	switch {
	case errors.Is(err, errNoSite), errors.Is(err, errNoUser), errors.Is(err, errNoPAT):
		status, body = http.StatusNotFound, map[string]string{"error": err.Error()}
	case err != nil:
		status, body = http.StatusBadRequest, map[string]string{"error": err.Error()}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if body != nil {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		_ = enc.Encode(body) // the client may be gone
	}
}

// readControl reads a JSON body, which may be of a megabyte and holds no
// unknown key.
func readControl[T any](r *http.Request) (T, error) {
	var v T
	d := json.NewDecoder(io.LimitReader(r.Body, 1<<20))
	d.DisallowUnknownFields()
	err := d.Decode(&v)
	return v, err
}

func controlJournal(s *Site, r *http.Request) (int, any, error) {
	since := 0
	if q := r.URL.Query().Get("since"); q != "" {
		n, err := strconv.Atoi(q)
		if err != nil {
			return 0, nil, errors.New("since is not a number")
		}
		since = n
	}
	return http.StatusOK, map[string]any{"entries": s.JournalSince(since)}, nil
}

// controlFault is a fault as the control API takes it: durations are text, the
// body may be base64, and changes of users stand for the hooks.
type controlFault struct {
	Fault

	Delay      string          `json:"delay"`
	BodyBase64 []byte          `json:"body_base64"`
	Changes    []controlChange `json:"changes"`
}

// controlChange is what happens to a user before Tableau handles the request, or
// after it did.
type controlChange struct {
	When   string `json:"when"` // before (default) or after
	User   string `json:"user"` // id or name
	Role   string `json:"role"`
	Name   string `json:"name"`
	Remove bool   `json:"remove"`
}

// hook makes the hook of the changes for a moment.
func (s *Site) hook(changes []controlChange, when string) func() {
	changes = slices.DeleteFunc(slices.Clone(changes), func(ch controlChange) bool { return or(ch.When, "before") != when })
	if len(changes) == 0 {
		return nil
	}
	return func() {
		for _, ch := range changes {
			u := s.User(ch.User)
			switch {
			case u == nil:
			case ch.Remove:
				u.Remove()
			default:
				u.update(func(r *userRecord) { r.role = or(ch.Role, r.role) })
				if ch.Name != "" {
					u.Rename(ch.Name)
				}
			}
		}
	}
}

// errNoFault is the answer to a fault that would change no answer.
var errNoFault = errors.New("a fault says what it does: one of status, code, body, body_base64, html, redirect, retry_after, header, delay, hang, drop, truncate, slow, endless, raw, end_session, changes; " +
	"and which requests meet it: method, path, operation, query, pat, skip, times")

// doesNothing says whether requests would be answered as they are without it.
func (f controlFault) doesNothing() bool {
	does := f.Fault
	does.Name, does.Method, does.Path, does.Operation, does.Query, does.PAT, does.Skip, does.Times, does.Apply = "", "", "", "", "", "", 0, 0, false
	return reflect.ValueOf(does).IsZero() && f.Delay == "" && len(f.BodyBase64) == 0 && len(f.Changes) == 0
}

func controlAddFaults(s *Site, r *http.Request) (int, any, error) {
	raw, err := readControl[json.RawMessage](r)
	if err != nil {
		return 0, nil, err
	}
	var many []controlFault
	if len(raw) > 0 && raw[0] == '{' {
		raw = append(append([]byte{'['}, raw...), ']')
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&many); err != nil {
		return 0, nil, err
	}
	if len(many) == 0 {
		return 0, nil, errNoFault
	}
	for i, f := range many {
		if f.doesNothing() {
			return 0, nil, errNoFault
		}
		if f.Delay != "" {
			if many[i].Fault.Delay, err = time.ParseDuration(f.Delay); err != nil {
				return 0, nil, err
			}
		}
		if len(f.BodyBase64) > 0 {
			many[i].Body = string(f.BodyBase64)
		}
		many[i].Before, many[i].After = s.hook(f.Changes, "before"), s.hook(f.Changes, "after")
		switch f.Drop {
		case "", DropBefore, DropAfter, DropMidBody:
		default:
			return 0, nil, errors.New("drop is before, after or mid-body")
		}
		if f.Operation != "" && !slices.ContainsFunc(catalogue(), func(m method) bool { return m.name == f.Operation }) {
			return 0, nil, errors.New("operation is no name of /_sim/routes")
		}
	}
	for _, f := range many {
		s.Fail(f.Fault)
	}
	return http.StatusCreated, s.in.faults.status(), nil
}

func controlUsers(s *Site, _ *http.Request) (int, any, error) {
	users := []controlUser{}
	for u := range s.Users() {
		users = append(users, u.control())
	}
	return http.StatusOK, map[string]any{"users": users}, nil
}

func controlAddUser(s *Site, r *http.Request) (int, any, error) {
	in, err := readControl[controlUser](r)
	if err != nil {
		return 0, nil, err
	}
	if in.Name == "" {
		return 0, nil, errors.New("name is missing")
	}
	u := s.AddUser(in.Name, or(in.Role, RoleUnlicensed), UserDetails{
		FullName: in.FullName, Email: in.Email, Domain: in.Domain, LastLogin: in.LastLogin,
	})
	return http.StatusCreated, u.control(), nil
}

// withUser finds the user that a path names.
func withUser(f func(*User, *http.Request) (int, any, error)) func(*Site, *http.Request) (int, any, error) {
	return func(s *Site, r *http.Request) (int, any, error) {
		u := s.User(r.PathValue("user"))
		if u == nil {
			return 0, nil, errNoUser
		}
		return f(u, r)
	}
}

func controlPatchUser(u *User, r *http.Request) (int, any, error) {
	in, err := readControl[struct {
		Role, Name, Email *string
	}](r)
	if err != nil {
		return 0, nil, err
	}
	if in.Role != nil {
		u.SetRole(*in.Role)
	}
	if in.Email != nil {
		u.SetEmail(*in.Email)
	}
	if in.Name != nil {
		u.Rename(*in.Name)
	}
	return http.StatusOK, u.control(), nil
}

func controlAddPAT(s *Site, r *http.Request) (int, any, error) {
	in, err := readControl[struct {
		Owner   string    `json:"owner"`
		Name    string    `json:"name"`
		Secret  string    `json:"secret"`
		Expires time.Time `json:"expires"`
	}](r)
	if err != nil {
		return 0, nil, err
	}
	owner := s.User(in.Owner)
	if owner == nil {
		return 0, nil, errNoUser
	}
	if in.Name == "" || in.Secret == "" {
		return 0, nil, errors.New("name or secret is missing")
	}
	s.AddPAT(owner, in.Name, in.Secret, PATDetails{Expires: in.Expires})
	return http.StatusCreated, map[string]string{"name": in.Name, "owner": owner.ID()}, nil
}

// patsNamed returns the tokens of a name.
func (s *Site) patsNamed(name string) []*PAT {
	s.in.mu.RLock()
	defer s.in.mu.RUnlock()
	var out []*PAT
	for _, p := range s.in.pats {
		if p.name == name {
			out = append(out, &PAT{in: s.in, p: p})
		}
	}
	return out
}

func controlRevokePAT(s *Site, r *http.Request) (int, any, error) {
	pats := s.patsNamed(r.PathValue("name"))
	if len(pats) == 0 {
		return 0, nil, errNoPAT
	}
	for _, p := range pats {
		p.Revoke()
	}
	return http.StatusNoContent, nil, nil
}

func controlEndSessions(s *Site, r *http.Request) (int, any, error) {
	name := r.URL.Query().Get("pat")
	if name == "" {
		s.EndSessions()
		return http.StatusNoContent, nil, nil
	}
	for _, p := range s.patsNamed(name) {
		p.EndSession()
	}
	return http.StatusNoContent, nil, nil
}

func controlSeats(s *Site, r *http.Request) (int, any, error) {
	seats, err := readControl[Seats](r)
	if err != nil {
		return 0, nil, err
	}
	s.SetSeats(seats)
	return http.StatusOK, seats, nil
}

func controlLimits(s *Site, r *http.Request) (int, any, error) {
	in, err := readControl[[]struct {
		Limit

		Per string `json:"per"`
	}](r)
	if err != nil {
		return 0, nil, err
	}
	limits := make([]Limit, len(in))
	for i, l := range in {
		limits[i] = l.Limit
		if limits[i].Per, err = time.ParseDuration(l.Per); err != nil {
			return 0, nil, err
		}
	}
	s.SetLimits(limits...)
	return http.StatusNoContent, nil, nil
}

func controlMaintenance(s *Site, r *http.Request) (int, any, error) {
	in, err := readControl[struct {
		On bool `json:"on"`
	}](r)
	if err != nil {
		return 0, nil, err
	}
	s.SetMaintenance(in.On)
	return http.StatusOK, in, nil
}

func controlClock(s *Site, r *http.Request) (int, any, error) {
	in, err := readControl[struct {
		Advance string `json:"advance"`
	}](r)
	if err != nil {
		return 0, nil, err
	}
	d, err := time.ParseDuration(in.Advance)
	if err != nil {
		return 0, nil, err
	}
	s.Advance(d)
	return http.StatusOK, map[string]time.Time{"now": s.in.now()}, nil
}

// faultStatus is a fault and how far it is used up.
type faultStatus struct {
	Fault

	Hits  int  `json:"hits"`
	Spent bool `json:"spent"`
}

func (fs *faults) status() map[string]any {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	out := make([]faultStatus, len(fs.list))
	for i, a := range fs.list {
		out[i] = faultStatus{Fault: a.Fault, Hits: a.hits, Spent: a.spent()}
	}
	return map[string]any{"faults": out}
}
