// Command margay is all of Margay in one program: the server, the command line
// and a simulated Tableau. Everything it does is in package cli.
package main

import (
	"os"

	"github.com/margay-access/margay/internal/cli"
)

// version is set by the linker: -ldflags "-X main.version=v1.2.3".
var version string

func main() {
	os.Exit(cli.Main(cli.Process{Args: os.Args[1:], In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Version: version}))
}
