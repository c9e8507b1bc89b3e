package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/server"
	"github.com/margay-access/margay/tableau/tableautest"
)

func newSimulate(s *session) *cobra.Command {
	var o tableautest.Options
	var product string
	var routes bool
	var switches []string
	cmd := &cobra.Command{
		Use: "simulate", Short: "Run a simulated Tableau, to try things out",
		Long: "Serve a made-up Tableau over https until it is told to stop. It prints its address,\n" +
			"its sites and its Personal Access Tokens, which open nothing else.",
		Example: "margay simulate --ca-out ca.pem &\n" +
			"MARGAY_TABLEAU_CA_FILE=ca.pem MARGAY_TABLEAU_ALLOW_CIDR=127.0.0.0/8 margay serve",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if routes {
				return s.simulated()
			}
			o.Product = tableautest.Product(product)
			if o.Product != tableautest.ProductCloud && o.Product != tableautest.ProductServer {
				return usage("Say --product cloud or --product server.", "%q is no product.", product)
			}
			if o.Users < 0 || o.Latency < 0 {
				return usage("margay simulate --help", "--users and --latency cannot be negative.")
			}
			o.Switches = map[string]string{}
			for _, sw := range switches {
				name, value, _ := strings.Cut(sw, "=")
				o.Switches[name] = value
			}
			if err := tableautest.CheckSwitches(o.Switches); err != nil {
				return usage("The names and values are in docs/simulator.md and under /_sim/switches.", "--switch: %s.", err)
			}
			return server.ListenFault(o.Listen, tableautest.Simulate(cmd.Context(), o, s.out))
		},
	}
	f := cmd.Flags()
	f.BoolVar(&routes, "list", false, "list the methods of the REST API and which of them are simulated")
	f.StringVar(&o.Listen, "listen", "127.0.0.1:8443", "where to serve")
	f.StringVar(&o.CAOut, "ca-out", "", "write the certificate of its authority to this file (PEM)")
	f.IntVar(&o.Users, "users", 0, "so many made-up users beside the named ones")
	f.StringVar(&product, "product", string(tableautest.ProductCloud), "cloud or server")
	f.DurationVar(&o.Latency, "latency", 0, "delay every answer, such as 20ms")
	f.StringVar(&o.MaxVersion, "max-version", "", "the newest API version that it answers (3.24)")
	f.StringArrayVar(&switches, "switch", nil, "behave otherwise: `name=value` of docs/simulator.md, such as no_license=silent-unlicensed")
	f.Uint64Var(&o.Seed, "seed", 0, "hand out the same ids in every run; 0: random ones")
	return cmd
}

// simulated lists the methods of the REST API with those that are simulated.
func (s *session) simulated() error {
	return list(s, wire.List[tableautest.Route]{Items: tableautest.Routes()}, view[tableautest.Route]{
		id: func(r tableautest.Route) string { return r.Name },
		columns: []column[tableautest.Route]{
			{name: "Name", keep: true, cell: func(r tableautest.Route) cell { return text(r.Name) }},
			{name: "Method", keep: true, cell: func(r tableautest.Route) cell { return text(r.Method) }},
			{name: "Path", cell: func(r tableautest.Route) cell { return text(r.Path) }},
			{name: "Since", keep: true, cell: func(r tableautest.Route) cell { return text(r.Since) }},
			{name: "Simulated", keep: true, cell: func(r tableautest.Route) cell {
				if r.Simulated {
					return cell{text: "yes", tint: good}
				}
				return text("no, answers 501")
			}},
		},
	})
}
