package api

import (
	"strconv"
	"strings"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/fault"
)

// versioned is something with the tag of its version.
type versioned[T any] struct {
	ETag string `header:"ETag"`
	Body T
}

func answerVersion[T any](v T, version int) *versioned[T] {
	return &versioned[T]{ETag: tagOf(version), Body: v}
}

func tagOf(version int) string { return `"` + strconv.Itoa(version) + `"` }

// Matching is an edit of the version that its editor saw. It is exported for
// huma, which reads the fields of no other embedded struct.
type Matching struct {
	IfMatch string `header:"If-Match" doc:"The ETag that it had"`
}

// of reads the version that an edit is of from the body, or from If-Match; 0:
// neither says.
func (m Matching) of(version int) (int, error) {
	tag := strings.TrimSpace(m.IfMatch)
	if tag == "" || tag == "*" {
		return version, nil
	}
	n, err := strconv.Atoi(strings.Trim(tag, `"`))
	if err != nil || n < 1 || version != 0 && version != n {
		return 0, fault.Field("If-Match", "If-Match is not the ETag of what it changes, or not that of the version in the body.")
	}
	return n, nil
}

func editedOf(s access.Saved) wire.Edited {
	return wire.Edited{Version: s.Version, SavedByID: string(s.SavedBy), SavedAt: timeOrNil(s.SavedAt)}
}

type appChange struct {
	Matching
	ID   string `path:"id"`
	Body wire.ChangedApp
}

type roleChange struct {
	Matching
	ID   string `path:"id"`
	Role string `path:"role"`
	Body wire.ChangedRole
}

type profileChange struct {
	Matching
	ID   string `path:"id"`
	Body wire.ChangedProfile
}

type policyChange struct {
	DryRun
	Matching
	ID   string `path:"id"`
	Body wire.ChangedPolicy
}

type provisioningChange struct {
	Matching
	ID   string `path:"id"`
	Body wire.ChangedProvisioning
}

type roleProvisioningChange struct {
	Matching
	ID   string `path:"id"`
	Role string `path:"role"`
	Body wire.ChangedProvisioning
}
