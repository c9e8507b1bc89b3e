package workflow

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

// The names of contents that are compared, besides numbers and hashes.
const (
	RefDraft     = "draft"
	RefPublished = "published"
	RefShipped   = "shipped" // as the bundle ships it now
	RefInstalled = "installed"
)

// Versions returns the versions of a workflow, the newest first.
func (s *Service) Versions(ctx context.Context, who identity.Actor, id string) ([]Version, error) {
	if err := who.NeedAdmin(identity.ScopeAccessRead); err != nil {
		return nil, err
	}
	if _, err := s.store.Workflow(ctx, id); err != nil {
		return nil, err
	}
	return s.store.Versions(ctx, id)
}

// Version returns one version of a workflow, by number or by hash.
func (s *Service) Version(ctx context.Context, who identity.Actor, id, version string) (Version, error) {
	versions, err := s.Versions(ctx, who, id)
	if err != nil {
		return Version{}, err
	}
	w, err := s.store.Workflow(ctx, id)
	if err != nil {
		return Version{}, err
	}
	return pickVersion(w, versions, version)
}

// Draft returns the draft of a workflow, or nil.
func (s *Service) Draft(ctx context.Context, who identity.Actor, id string) (*Draft, error) {
	if err := who.NeedAdmin(identity.ScopeAccessRead); err != nil {
		return nil, err
	}
	return s.store.Draft(ctx, id)
}

// Uses lists what names a workflow.
func (s *Service) Uses(ctx context.Context, who identity.Actor, id string) (uses []Use, err error) {
	if err := who.NeedAdmin(identity.ScopeAccessRead); err != nil {
		return nil, err
	}
	return s.store.Uses(ctx, id)
}

// leastHash is how much of a hash names a version.
const leastHash = 7

// pickVersion returns the version of a number, a hash or the beginning of one.
func pickVersion(w Workflow, versions []Version, ref string) (Version, error) {
	if ref == RefPublished {
		ref = w.Published
	}
	at := slices.IndexFunc(versions, func(v Version) bool {
		return strconv.Itoa(v.Number) == ref || len(ref) >= leastHash && strings.HasPrefix(v.Hash, ref)
	})
	if at < 0 || ref == "" {
		return Version{}, fault.New(fault.NotFound, "The workflow %s has no version %q.", w.Name, ref).WithCode("workflow version_missing")
	}
	return versions[at], nil
}

// Diff compares two contents of a workflow: "draft", "published", "shipped",
// "installed", or a version by number or hash. An empty from is the published
// version, an empty to the draft, or the published one when there is none.
func (s *Service) Diff(ctx context.Context, who identity.Actor, id, from, to string) (Diff, error) {
	if err := who.NeedAdmin(identity.ScopeAccessRead); err != nil {
		return Diff{}, err
	}
	w, err := s.store.Workflow(ctx, id)
	if err != nil {
		return Diff{}, err
	}
	if from == "" && w.Published != "" {
		from = RefPublished
	}
	left := side{name: "nothing", content: Content{File: "index.ts"}}
	if from != "" {
		if left, err = s.sideOf(ctx, w, from); err != nil {
			return Diff{}, err
		}
	}
	right, err := s.sideOf(ctx, w, to)
	if err != nil {
		return Diff{}, err
	}
	return diff(left, right), nil
}

// sideOf returns the content that ref names; "" is what its author sees now.
func (s *Service) sideOf(ctx context.Context, w Workflow, ref string) (side, error) {
	if ref == RefDraft || ref == "" {
		d, err := s.store.Draft(ctx, w.ID)
		if err != nil {
			return side{}, err
		}
		if d != nil {
			mods, err := modules(s.systems, w.Integration)
			return side{RefDraft, d.Content, mods}, err
		}
		if ref == RefDraft {
			return side{}, fault.New(fault.NotFound, "The workflow %s has no draft.", w.Name).WithCode("no_draft")
		}
		ref = RefPublished
	}
	if ref == RefShipped {
		bw, bundle, ok := s.shipped(w)
		if !ok {
			return side{}, notShipped(w)
		}
		mods, err := modules(s.systems, w.Integration)
		return side{"bundle version " + strconv.Itoa(bundle), Content{File: bw.File, Source: bw.Source}, mods}, err
	}
	if ref == RefInstalled {
		ref = w.Origin.Hash
	}
	versions, err := s.store.Versions(ctx, w.ID)
	if err != nil {
		return side{}, err
	}
	v, err := pickVersion(w, versions, ref)
	return side{"version " + strconv.Itoa(v.Number), v.Content(), v.Modules}, err
}

// shipped returns the bundled workflow that w is a copy of, as the bundle ships
// it now, and the version of the bundle.
func (s *Service) shipped(w Workflow) (BundledWorkflow, int, bool) {
	for _, b := range s.around.Bundles {
		for _, bw := range b.Workflows {
			if o := b.Origin(bw); o.Bundle == w.Origin.Bundle && o.Workflow == w.Origin.Workflow {
				return bw, b.Version, true
			}
		}
	}
	return BundledWorkflow{}, 0, false
}

// Available returns the version of the bundle that a copy can be updated to; 0:
// there is nothing newer.
func (s *Service) Available(w Workflow) int {
	if _, version, ok := s.shipped(w); ok && version > w.Origin.Version {
		return version
	}
	return 0
}

// Edited says whether a copy is no longer as it was shipped.
func (w Workflow) Edited() bool { return w.Origin.Bundle != "" && w.Published != w.Origin.Hash }

func notShipped(w Workflow) error {
	return fault.New(fault.Conflict, "The workflow %s is no copy of a bundle's.", w.Name).WithCode("no_bundle")
}

// TakeUpdate makes a draft of the text that the bundle ships now. What is
// published stays until somebody has looked at the draft and publishes it: an
// edited copy is never overwritten (S13–S15).
func (s *Service) TakeUpdate(ctx context.Context, who identity.Actor, id string) (Workflow, error) {
	if err := s.admin(ctx, who, id, "update"); err != nil {
		return Workflow{}, err
	}
	w, err := s.change(ctx, id, func(tx Tx, w Workflow) (Workflow, audit.Event, error) {
		bw, version, ok := s.shipped(w)
		if !ok {
			return w, audit.Event{}, notShipped(w)
		}
		if version <= w.Origin.Version {
			return w, audit.Event{}, fault.New(fault.Conflict, "The workflow %s is of the newest version of its bundle, %d.", w.Name, w.Origin.Version).WithCode("up_to_date")
		}
		d := Draft{Content: Content{File: bw.File, Source: bw.Source}, Bundle: version}
		return s.draftOf(ctx, tx, who, w, d, UpdateTaken, "bundle", w.Origin.Bundle, "from", strconv.Itoa(w.Origin.Version), "to", strconv.Itoa(version))
	})
	return w, wrap("update workflow", err)
}
