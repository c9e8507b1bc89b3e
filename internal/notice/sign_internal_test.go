package notice

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"
)

// The test vector that the libraries of Standard Webhooks have.
func TestSignAsPublished(t *testing.T) {
	t.Parallel()
	secret, id, at := "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0)
	want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	if got := sign([]string{secret}, id, at, []byte(`{"test": 2432232314}`)); got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
	other := newSecret()
	if got := strings.Fields(sign([]string{other, secret}, id, at, []byte(`{"test": 2432232314}`))); len(got) != 2 || got[1] != want || got[0] == want {
		t.Errorf("with two secrets: %q", got)
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(other, SecretPrefix))
	if err != nil || len(raw) < 24 || len(raw) > 64 || newSecret() == other {
		t.Errorf("secret of %d bytes, %v", len(raw), err)
	}
}
