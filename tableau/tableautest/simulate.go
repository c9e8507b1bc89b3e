package tableautest

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// The PAT that [Simulate] gives to the administrator of its made-up site. Name and
// secret are the same in every run, so that a script may hold them. They open
// nothing but the simulation.
const (
	SimulatedPATName   = "margay"
	SimulatedPATSecret = "bWFyZ2F5LXNpbQ==:made-up-secret-for-the-simulated-site"
	// SimulatedViewerPATName is the PAT of somebody who is no administrator;
	// its secret is the same with "viewer" in front.
	SimulatedViewerPATName   = "margay-viewer"
	SimulatedViewerPATSecret = "dmlld2VyLXNpbS4=:made-up-secret-for-the-simulated-viewer"
	// SimulatedPassword is that of every named user, on a simulated Tableau
	// Server. Cloud takes no passwords.
	SimulatedPassword = "made-up-password-for-the-simulated-server"
)

// Options is what the program "margay simulate" can be told.
type Options struct {
	// Config is the simulated Tableau. Listen, Product and Latency are set
	// here. Collections default to On, whatever MaxVersion says: their path
	// carries no version.
	Config
	// CAOut is the file that the authority's certificate is written to, in
	// PEM. Default: none.
	CAOut string
	// Seats are the licences of the first site. Default: as many as wanted.
	Seats Seats
	// Users is how many made-up users the site has beside the named ones.
	Users int
	// Switches are set before it serves, by name: see [Site.SetSwitch].
	Switches map[string]string
	// Ready, when set, is called with the server once it serves.
	Ready func(*Server)
}

// Simulate serves a made-up Tableau until ctx ends. It writes its address, its sites and
// its PATs to out, secrets included: they were made for it.
func Simulate(ctx context.Context, o Options, out io.Writer) error {
	o.Control = true
	o.Collections = or(o.Collections, On)
	o.Listen = or(o.Listen, "127.0.0.1:8443")
	if err := o.check(); err != nil {
		return fmt.Errorf("simulate Tableau: %w", err)
	}
	site := New(o.Config)
	if err := site.setSwitches(o.Switches); err != nil {
		return fmt.Errorf("simulate Tableau: %w", err)
	}
	site.in.began = *site.in.cfg()
	Populate(site, o.Users)
	site.SetSeats(o.Seats)
	srv, err := serve(ctx, site)
	if err != nil {
		return fmt.Errorf("simulate Tableau: %w", err)
	}
	defer srv.Close()
	if o.CAOut != "" {
		if err := os.WriteFile(o.CAOut, srv.CAPEM(), 0o644); err != nil {
			return fmt.Errorf("simulate Tableau: %w", err)
		}
	}
	if _, err := io.WriteString(out, srv.banner(o)); err != nil {
		return fmt.Errorf("simulate Tableau: %w", err)
	}
	if o.Ready != nil {
		o.Ready(srv)
	}
	<-ctx.Done()
	return nil
}

// banner is what [Simulate] says at its start.
func (s *Server) banner(o Options) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Simulated Tableau %s, API %s to %s\n", s.in.cfg().Product, s.in.cfg().MinVersion, s.in.cfg().MaxVersion)
	fmt.Fprintf(&b, "URL:          %s\n", s.URL)
	for _, site := range s.Sites() {
		fmt.Fprintf(&b, "Site:         %q, content URL %q, %d users, id %s\n", site.Name(), site.ContentURL(), site.UserCount(), site.ID())
	}
	fmt.Fprintf(&b, "PAT:          %s  %s  (administrator)\n", SimulatedPATName, SimulatedPATSecret)
	fmt.Fprintf(&b, "PAT:          %s  %s  (not an administrator)\n", SimulatedViewerPATName, SimulatedViewerPATSecret)
	if s.in.cfg().Product == ProductServer {
		fmt.Fprintf(&b, "Password:     %s  (of %s and all the others that have a name)\n", SimulatedPassword, people[0].name)
	}
	if o.CAOut != "" {
		fmt.Fprintf(&b, "Certificate:  %s\n", o.CAOut)
	}
	fmt.Fprintf(&b, "Control:      %s/_sim/state\n", s.URL)
	return b.String()
}

// people are the named users of the made-up site.
var people = []struct{ name, fullName, role string }{
	{"margay.service@acme.example", "Margay Service", RoleSiteAdministratorCreator},
	{"ada.admin@acme.example", "Ada Admin", RoleSiteAdministratorExplorer},
	{"carl.creator@acme.example", "Carl Creator", RoleCreator},
	{"paula.publisher@acme.example", "Paula Publisher", RoleExplorerCanPublish},
	{"erik.explorer@acme.example", "Erik Explorer", RoleExplorer},
	{"vera.viewer@acme.example", "Vera Viewer", RoleViewer},
	{"uma.unlicensed@acme.example", "Uma Unlicensed", RoleUnlicensed},
	{"plus+sign@acme.example", "Plus Sign", RoleViewer},
}

// Populate fills a site with the people, PATs and content of [Simulate], and so
// many users more, named user00001@acme.example and so on.
func Populate(s *Site, users int) {
	server, password := s.in.cfg().Product == ProductServer, ""
	if server {
		password = SimulatedPassword
	}
	for i, p := range people {
		role := p.role
		if server && i == 0 {
			role = RoleServerAdministrator
		}
		var seen time.Time
		if role != RoleUnlicensed {
			seen = s.in.now().Add(-time.Duration(i) * 26 * time.Hour)
		}
		s.AddUser(p.name, role, UserDetails{FullName: p.fullName, LastLogin: seen, Password: password})
	}
	owner, viewer := s.User(people[0].name), s.User("vera.viewer@acme.example")
	s.AddPAT(owner, SimulatedPATName, SimulatedPATSecret)
	s.AddPAT(viewer, SimulatedViewerPATName, SimulatedViewerPATSecret)
	for i := range users {
		s.AddUser(fmt.Sprintf("user%05d@acme.example", i+1), RoleUnlicensed, UserDetails{FullName: fmt.Sprintf("User %05d", i+1)})
	}
	populateContent(s)
	lab := s.AddSite("acme-lab", "acme-lab")
	lab.AddUser(people[0].name, owner.Role(), UserDetails{FullName: people[0].fullName})
	lab.AddUser(people[4].name, RoleViewer, UserDetails{FullName: people[4].fullName})
}

// populateContent gives the site something to search, read and own.
func populateContent(s *Site) {
	carl, paula := s.User("carl.creator@acme.example"), s.User("paula.publisher@acme.example")
	finance := s.AddContent("project", "Finance", carl, ContentDetails{Description: "Figures of the quarter"})
	sales := s.AddContent("project", "Sales", paula)
	ledger := s.AddContent("datasource", "General Ledger", carl, ContentDetails{Project: finance, File: []byte("simulated data source"), Hits: 12})
	quarter := s.AddContent("workbook", "Quarter End Pack", carl, ContentDetails{
		Project: finance, Tags: []string{"finance", "quarter"}, File: []byte("simulated workbook"), Hits: 87,
	})
	pipeline := s.AddContent("workbook", "Sales Pipeline", paula, ContentDetails{
		Project: sales, Tags: []string{"sales"}, File: []byte("simulated workbook"), Hits: 240, ShowTabs: true,
	})
	s.AddContent("view", "Profit and Loss", carl, ContentDetails{Workbook: quarter, Hits: 55})
	s.AddContent("view", "Cash Flow", carl, ContentDetails{Workbook: quarter, Hits: 32})
	s.AddContent("view", "Funnel", paula, ContentDetails{Workbook: pipeline, Hits: 201})
	s.AddContent("flow", "Nightly Ledger", carl, ContentDetails{Project: finance, File: []byte("simulated flow")})
	s.AddCollection("Month End", carl, "public", ledger, quarter)
	s.AddCollection("Paula's Shelf", paula, "private", pipeline)
	s.AddGroup("Finance Team").Add(carl, s.User("erik.explorer@acme.example"))
}
