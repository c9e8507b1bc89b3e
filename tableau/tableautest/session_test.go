package tableautest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/margay-access/margay/tableau/tableautest"
)

func TestSecondSignInEndsTheFirst(t *testing.T) {
	// ref: "1.5 one live session per PAT; the loser's next call gets 401002"
	t.Parallel()
	s, _ := newSite(t, tableautest.Config{})
	first, second := signedIn(t, s), signedIn(t, s)

	first.get("users").want(http.StatusUnauthorized, "401002")
	second.get("users").want(http.StatusOK, "")
	if got := s.LiveSessions(); got != 1 {
		t.Errorf("%d live sessions, want 1", got)
	}
	if got := s.Evictions(); got != 1 {
		t.Errorf("%d evictions, want 1", got)
	}
}

func TestSignInXMLWithoutType(t *testing.T) {
	// ref: "1.1 a simulator must accept a body without a type as XML"
	t.Parallel()
	s, boss := newSite(t, tableautest.Config{})
	c := &client{t: t, h: s, api: "/api/3.24"}

	r := c.do(http.MethodPost, "/api/3.24/auth/signin",
		`<tsRequest><credentials personalAccessTokenName="pat" personalAccessTokenSecret="`+secret+`"><site contentUrl="acme-analytics"/></credentials></tsRequest>`,
		"Content-Type", "", "Accept", "*/*")

	body := r.want(http.StatusOK, "").Body.String()
	for _, part := range []string{
		`xmlns="http://tableau.com/api"`, `ts-api_3_24.xsd"`, `<credentials token="`, `contentUrl="acme-analytics"`, `<user id="` + boss.ID() + `"/>`,
	} {
		if !strings.Contains(body, part) {
			t.Errorf("%s is missing in %s", part, body)
		}
	}
}
