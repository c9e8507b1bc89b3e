package server_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/store"
)

// O03: somebody who sends half a call and no more does not keep a server from
// stopping well within the time that runs have to finish.
func TestStopWithSlowCaller(t *testing.T) {
	t.Parallel()
	n := startNode(t, store.Config{}, t.TempDir(), nil)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(n.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const half = "POST /api/v1/people HTTP/1.1\r\nHost: margay\r\nContent-Length: 100\r\n\r\n{"
	if _, err := fmt.Fprint(conn, "GET /healthz HTTP/1.1\r\nHost: margay\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 512)); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprint(conn, half); err != nil {
		t.Fatal(err)
	}
	n.do("GET", "/people", nil) // by now the half is being read

	began := time.Now()
	n.stop() // fails the test if the server ends badly

	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("the stop took %s", took)
	}
}
