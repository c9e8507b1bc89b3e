package access_test

import (
	"testing"

	"github.com/margay-access/margay/internal/access"
)

// ux §4: every state of a grant has its code, word, sentence and next acts.
func TestEveryGrantStateHasItsWords(t *testing.T) {
	t.Parallel()
	saysAll(t, "grant.go", "GrantState", access.GrantStates())
}
