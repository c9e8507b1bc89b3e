// Package tableau is a client of the Tableau REST API, for Tableau Cloud and
// Tableau Server, signed in with a personal access token (PAT).
//
// A [Client] stands for one site and one PAT. Any call of the API can be made
// with [Client.Do]; the calls that most programs need have methods of their
// own ([Client.Users], [Client.FindUser], [Client.SetSiteRole], …), and
// [Methods] is the catalogue of all the others.
//
// Creators who have not signed in for ninety days lose their licence:
//
//	c, err := tableau.New(tableau.Config{
//		Server: "10ax.online.tableau.com", Site: "acme",
//		TokenName: "housekeeping", TokenSecret: tableau.NewSecret(os.Getenv("TABLEAU_PAT_SECRET")),
//	})
//	if err != nil {
//		log.Fatal(err)
//	}
//	ctx := context.Background()
//	defer c.Hold(ctx)() // one sign-in for all that follows
//	creators := tableau.UsersOptions{Filter: tableau.Where("siteRole", tableau.Equal, tableau.Creator)}
//	for u, err := range c.Users(ctx, creators) {
//		if err != nil {
//			log.Fatal(err)
//		}
//		if time.Since(u.LastLogin) < 90*24*time.Hour { // the zero time: never signed in
//			continue
//		}
//		if _, err := c.SetSiteRole(ctx, u.ID, tableau.Unlicensed); err != nil {
//			log.Print(u.Name, ": ", err)
//		}
//	}
//
// It can be tried without a Tableau: "margay simulate --ca-out ca.pem" serves a
// made-up site and prints its address, content URL and PATs. A program trusts
// it by [Config.RootCAs], or on Linux with SSL_CERT_FILE=ca.pem in its
// environment. In tests, package tableautest has the same site in the process.
//
// # The exchange
//
// Tableau allows one session per PAT: a second sign-in ends the first session,
// and its next call is refused with 401002. A Client therefore signs in when a
// call needs it, lets all calls that are in flight at the same time share that
// session, and signs out when the last of them has returned. [Client.Hold]
// keeps the session for a whole piece of work, [Config.Linger] for a moment
// after each. Tokens live in memory only.
//
// Make one Client per PAT and process. Two Clients with one PAT, in one
// process or in two, end each other's sessions, unless both are given a
// [Lease] that lets only one of them have a session at a time; [NewMutexLease]
// does that inside a process.
//
// # What is never done
//
// The PAT's secret is sent in the sign-in call and nowhere else. Redirects are
// never followed, proxies of the environment are ignored, certificates are
// always verified. A write whose answer was lost is never sent again blindly.
// An answer is compared with what was asked: a user list that lacks somebody,
// a filter that was ignored, and a role that was not set are noticed.
//
// # Errors
//
// Every error has a [Class]: errors.Is(err, tableau.ClassThrottled). The types
// behind it say more: [Error] is Tableau's own refusal, [UnreachableError] and
// [NoAnswerError] are failures of transport, [SessionLostError] means that
// something else uses the same PAT.
//
// The package knows nothing of the programs that use it.
package tableau
