package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// helpTemplate puts the examples first.
const helpTemplate = `{{with (or .Long .Short)}}{{. | trimTrailingWhitespaces}}
{{end}}{{if .HasExample}}
Examples:
{{indent .Example}}
{{end}}{{if or .Runnable .HasSubCommands}}
{{.UsageString}}{{end}}`

const usageTemplate = `Usage:
  {{if .HasAvailableSubCommands}}{{.CommandPath}} COMMAND{{else}}{{.UseLine}}{{end}}
{{if .HasAvailableSubCommands}}
Commands:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}
{{end}}{{if .HasAvailableLocalFlags}}
Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}
{{end}}{{if .HasAvailableInheritedFlags}}
Flags of every command:
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}
{{end}}{{if .HasHelpSubCommands}}
Topics:{{range .Commands}}{{if .IsAdditionalHelpTopicCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}
{{end}}{{if .HasAvailableSubCommands}}
More on a command: {{.CommandPath}} COMMAND --help
{{end}}`

// dress gives every command its help, and the errors of wrong usage that say
// what to do.
func dress(root *cobra.Command) {
	cobra.AddTemplateFunc("indent", func(text string) string { return "  " + strings.ReplaceAll(text, "\n", "\n  ") })
	root.SetHelpTemplate(helpTemplate)
	root.SetUsageTemplate(usageTemplate)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage(cmd.CommandPath()+" --help", "%s.", capital(err.Error()))
	})
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Short, c.Long, c.Use = "Help about a command or a topic", "", "help [COMMAND...]"
			c.Run, c.RunE = nil, helpAbout
		case "completion":
			c.Short = "Print the script that completes commands in a shell"
		}
	}
	dressAll(root)
}

func dressAll(c *cobra.Command) {
	c.SuggestionsMinimumDistance = 2
	c.DisableFlagsInUseLine = true
	if c.Example == "" {
		c.Example = exampleOf(c.CommandPath())
	}
	switch {
	case isTopic(c):
	case c.HasSubCommands():
		c.Args = knownVerb
		if c.RunE == nil {
			c.RunE = needVerb
		}
	default:
		c.Args = fromUse
	}
	for _, child := range c.Commands() {
		dressAll(child)
	}
}

// helpAbout shows the help of the command that args name.
func helpAbout(help *cobra.Command, args []string) error {
	c, rest, err := help.Root().Find(args)
	if err != nil || len(rest) > 0 {
		return usage(help.Root().CommandPath()+" help", "There is no help about %q.", strings.Join(args, " "))
	}
	c.InitDefaultHelpFlag()
	return c.Help()
}

func isTopic(c *cobra.Command) bool { return !c.HasSubCommands() && c.RunE == nil && c.Run == nil }

// knownVerb refuses what is no command of this one.
func knownVerb(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := c.CommandPath() + " --help"
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "Did you mean: " + c.CommandPath() + " " + near[0]
	} else if below := deeper(c, args[0]); len(below) == 1 {
		hint = "Did you mean: " + below[0].CommandPath()
	}
	return usage(hint, "%q is no command of %s.", args[0], c.CommandPath())
}

// deeper returns the commands of that name one floor below.
func deeper(c *cobra.Command, name string) []*cobra.Command {
	var found []*cobra.Command
	for _, child := range c.Commands() {
		for _, verb := range child.Commands() {
			if verb.Name() == name {
				found = append(found, verb)
			}
		}
	}
	return found
}

// unknownHelp refuses --help of a command that there is not: the help of the
// group above would read as if there were.
func unknownHelp(root *cobra.Command, args []string) error {
	if !slices.Contains(args, "--help") && !slices.Contains(args, "-h") {
		return nil
	}
	c, rest, err := root.Find(args)
	if err != nil || !c.HasSubCommands() || len(rest) == 0 || strings.HasPrefix(rest[0], "-") {
		return nil //nolint:nilerr // what is wrong with it is said when it is run
	}
	return knownVerb(c, rest)
}

func needVerb(c *cobra.Command, _ []string) error {
	var verbs []string
	for _, child := range c.Commands() {
		if child.IsAvailableCommand() {
			verbs = append(verbs, child.Name())
		}
	}
	return usage("Add one of: "+strings.Join(verbs, ", "), "%s needs a command.", c.CommandPath())
}

// fromUse checks the arguments against the words of the command's use line:
// NAME must be there, [NAME] may be, NAME... may be repeated.
func fromUse(c *cobra.Command, args []string) error {
	words := strings.Fields(c.Use)[1:]
	needed, most := 0, len(words)
	for _, w := range words {
		if !strings.HasPrefix(w, "[") {
			needed++
		}
		if strings.Contains(w, "...") {
			most = -1
		}
	}
	switch {
	case len(args) < needed:
		return usage(c.CommandPath()+" --help", "%s is missing: %s", strings.TrimRight(words[len(args)], "."), c.UseLine())
	case most >= 0 && len(args) > most:
		return usage(c.CommandPath()+" --help", "%q is one argument too many: %s", args[most], c.UseLine())
	}
	return nil
}

func capital(text string) string {
	if text == "" {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// topics returns the help that belongs to no command.
func topics() []*cobra.Command {
	return []*cobra.Command{
		{Use: "exit-codes", Short: "What the exit code says", Long: exitCodesHelp()},
		{Use: "environment", Short: "Variables and the configuration file", Long: environmentHelp},
		{Use: "formatting", Short: "Tables, JSON and what goes where", Long: formattingHelp},
	}
}

// exitMeanings says what each exit code means.
func exitMeanings() map[int]string {
	return map[int]string{
		exitDone: "done", exitFailed: "failed, or the server cannot be reached", exitUsage: "wrong usage, or what was given cannot be used", exitNotFound: "not found",
		exitNoSignIn: "no token, or it is not valid", exitNotAllowed: "not allowed, or the request was denied",
		exitConflict: "conflict, or changed meanwhile", exitWaitOver: "--wait ran out; the work goes on",
		exitTableau: "Tableau refused or cannot be reached", exitPart: "a part of several failed", exitPlan: "--plan found changes to make, or a comparison found differences",
		exitInterrupted: "interrupted",
	}
}

func exitCodesHelp() string {
	meanings := exitMeanings()
	codes := make([]int, 0, len(meanings))
	for code := range meanings {
		codes = append(codes, code)
	}
	slices.Sort(codes)
	var b strings.Builder
	b.WriteString("The exit code says how a command ended:\n\n")
	for _, code := range codes {
		fmt.Fprintf(&b, "  %3d  %s\n", code, meanings[code])
	}
	return b.String()
}

const environmentHelp = `Flags are stronger than the environment, and that is stronger than the
configuration file $XDG_CONFIG_HOME/margay/config.yaml (~/.config/margay/config.yaml).
The file has the same settings in small letters: url, token, listen, tableau-ca-file.
A file with a token must be its owner's alone (chmod 600).

Of the client:
  MARGAY_URL                 address of the server (http://127.0.0.1:8080)
  MARGAY_TOKEN               API token; there is no flag for it

Of the server (margay serve, margay admin):
  MARGAY_LISTEN              where to serve (127.0.0.1:8080)
  MARGAY_DATA                folder of the database, the key and the socket (./margay-data)
  MARGAY_DATABASE            PostgreSQL instead: postgres://user@host/margay
  MARGAY_KEY_URL             what wraps the keys of secrets (a file in the data folder)
  MARGAY_TLS_CERT, MARGAY_TLS_KEY
                             serve https with this certificate and key (PEM)
  MARGAY_TABLEAU_CA_FILE     certificate authorities to trust for Tableau (PEM), beside the system's
  MARGAY_TABLEAU_ALLOW_CIDR  private ranges that Tableau may live in, such as 10.20.0.0/16

Of all programs:
  NO_COLOR, CLICOLOR, CLICOLOR_FORCE, TERM=dumb
                             whether there are colours
  SSL_CERT_FILE              certificate authorities to trust for the server of Margay
  HTTPS_PROXY, NO_PROXY      how the server of Margay is reached
`

const formattingHelp = `Data goes to standard output, everything else to standard error.

  -o table   for people; on a pipe: separated by tabs, no colours, nothing cut
  -o json    exactly what the API answers; a list is {"items": [...]}
  -o jsonl   one JSON object a line
  -o yaml    the same as YAML
  -o csv     comma-separated, with a head
  -o id      ids only, one a line

--fields id,state,settings.server_url shows these fields of the JSON only, in this
order, in every format. Under json, jsonl and yaml a failure writes the problem
(RFC 9457) to standard output, and a sentence to standard error.

Times are UTC in data, and relative or in your zone on a screen. Lengths of time are
given as 8h, 30d, 2w or PT8H. Control characters in names are shown as \x1b.

Lists are cut at --limit (50); --all reads on to the end.
`
