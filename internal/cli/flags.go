package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/client"
)

// paging says how much of a list is read.
type paging struct {
	limit int
	all   bool
}

// largestPage is the most that the API answers at once.
const largestPage = 200

func (p *paging) flags(f *pflag.FlagSet) {
	f.IntVar(&p.limit, "limit", 50, "show so many at most")
	f.BoolVar(&p.all, "all", false, "show all there are")
}

// pages reads pages until there are as many things as p wants.
func pages[T any](s *session, p paging, read func(client.Page) (wire.List[T], error)) (wire.List[T], error) {
	if p.limit < 1 {
		return wire.List[T]{}, usage("Say --limit 1 or more, or --all.", "--limit %d shows nothing.", p.limit)
	}
	out := wire.List[T]{Items: []T{}}
	for {
		size := largestPage
		if !p.all {
			size = min(size, p.limit-len(out.Items))
		}
		page, err := read(client.Page{Limit: size, Cursor: out.NextCursor})
		if err != nil {
			return out, err
		}
		out.Items, out.NextCursor = append(out.Items, page.Items...), page.NextCursor
		if page.NextCursor == "" || len(page.Items) == 0 {
			return out, nil
		}
		if !p.all && len(out.Items) >= p.limit {
			s.later = append(s.later, fmt.Sprintf("There are more than these %d: use --all or --limit.", len(out.Items)))
			return out, nil
		}
	}
}

// given returns the value of a flag that was given, else nil.
func given[T any](cmd *cobra.Command, name string, value T) *T {
	if !cmd.Flags().Changed(name) {
		return nil
	}
	return &value
}

// needChange refuses an edit that changes nothing.
func needChange(cmd *cobra.Command) error {
	changed := false
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) { changed = changed || f.Changed })
	if changed {
		return nil
	}
	return usage(cmd.CommandPath()+" --help", "There is nothing to change: say what with flags.")
}

// span is a flag with a length of time: 8h, 30d, PT8H, or none.
type span struct {
	set    bool
	length time.Duration
}

// String implements pflag.Value.
func (d *span) String() string {
	if !d.set {
		return ""
	}
	return spell(d.length)
}

// Set implements pflag.Value.
func (d *span) Set(text string) error {
	d.set = true
	if strings.EqualFold(text, "none") {
		d.length = 0
		return nil
	}
	var err error
	d.length, err = wire.ParseDuration(text)
	return err
}

// Type implements pflag.Value.
func (*span) Type() string { return "TIME" }

// maybe returns what was said, for fields in which none means without an end.
func (d *span) maybe() wire.MaybeForever {
	if !d.set {
		return wire.MaybeForever{}
	}
	return wire.For(d.length)
}

// waiting is the flag --wait[=5m]: how long to wait at most, 0 for to the end.
type waiting struct {
	set  bool
	most time.Duration
}

func (w *waiting) flag(f *pflag.FlagSet, what string) {
	f.Var(w, "wait", what+", at most so long; 0: to the end")
	f.Lookup("wait").NoOptDefVal = "5m"
}

// String implements pflag.Value.
func (w *waiting) String() string {
	if !w.set {
		return ""
	}
	return w.most.String()
}

// Set implements pflag.Value.
func (w *waiting) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return fmt.Errorf("%q is not how long to wait: write 30s, 5m or 1h", text)
	}
	w.set, w.most = true, d
	return nil
}

// Type implements pflag.Value.
func (*waiting) Type() string { return "TIME" }
