package cli

import (
	"runtime"

	"github.com/spf13/cobra"
)

func newWhoami(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "whoami", Short: "Show whose token this is",
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			me, err := api.Me(cmd.Context())
			if err != nil {
				return err
			}
			return show(s, me, s.personView())
		},
	}
}

// versionInfo is what the version command tells.
type versionInfo struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	System  string `json:"system"`
}

func newVersion(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Show the version of this program",
		RunE: func(*cobra.Command, []string) error {
			info := versionInfo{Version: s.version, Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH}
			return show(s, info, view[versionInfo]{
				id: func(v versionInfo) string { return v.Version },
				columns: []column[versionInfo]{
					{name: "Version", cell: func(v versionInfo) cell { return text(v.Version) }},
					{name: "Go", cell: func(v versionInfo) cell { return text(v.Go) }},
					{name: "System", cell: func(v versionInfo) cell { return text(v.System) }},
				},
			})
		},
	}
}
