// Package cli is the command line of Margay: nouns first, the same verbs
// everywhere.
//
// A command reads its flags, asks the API by package client and shows the
// answer. It holds no rule: what may be done is said by the server. Only serve,
// admin and simulate work without a server. Data goes to standard output, all
// else to standard error, and how it ended is the exit code (see Exit codes).
//
// Each noun is one file with one constructor, newNoun(s *session)
// *cobra.Command, listed in newRoot.
package cli
