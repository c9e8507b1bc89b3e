package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/margay-access/margay/internal/fault"
)

// canAsk says whether somebody is there to answer.
func (s *session) canAsk() bool { return s.term.asks && !s.global.noInput }

// ask asks for one line.
func (s *session) ask(ctx context.Context, question string) (string, error) {
	fmt.Fprint(s.err, question)
	return s.answer(ctx, func() (string, error) { return readLine(s.in) })
}

// askSecret asks for one line that is not shown while it is typed. The echo is
// off before the question is there, so that no fast hand shows the secret.
func (s *session) askSecret(ctx context.Context, question string) (string, error) {
	fd := int(s.in.Fd())
	before, err := term.MakeRaw(fd)
	if err != nil {
		return "", fmt.Errorf("ask for a secret: %w", err)
	}
	fmt.Fprint(s.err, question)
	secret, err := s.answer(ctx, func() (string, error) { return readSecret(s.in) })
	err = errors.Join(err, term.Restore(fd, before))
	fmt.Fprintln(s.err)
	return secret, err
}

// What keys send in a raw terminal.
const (
	keyInterrupt = 3 // Ctrl-C
	keyEnd       = 4 // Ctrl-D
	keyBackspace = 8
	keyClear     = 21 // Ctrl-U
	keyDelete    = 127
)

// readSecret reads to the end of a line of a raw terminal.
func readSecret(r io.Reader) (string, error) {
	var line []byte
	b := make([]byte, 1)
	for {
		if _, err := io.ReadFull(r, b); err != nil {
			return string(line), err
		}
		switch b[0] {
		case '\r', '\n':
			return string(line), nil
		case keyInterrupt:
			return "", errInterrupted
		case keyEnd:
			return string(line), io.EOF
		case keyBackspace, keyDelete:
			_, size := utf8.DecodeLastRune(line)
			line = line[:len(line)-size]
		case keyClear:
			line = nil
		default:
			line = append(line, b[0])
		}
	}
}

// errInterrupted is an interrupt that came as a key.
var errInterrupted = &outcomeError{code: exitInterrupted, message: "Interrupted."}

// answer waits for read or for the end of ctx: a signal ends a question at once.
func (s *session) answer(ctx context.Context, read func() (string, error)) (string, error) {
	type result struct {
		text string
		err  error
	}
	got := make(chan result, 1)
	go func() {
		text, err := read()
		got <- result{text, err}
	}()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case r := <-got:
		if errors.Is(r.err, errInterrupted) {
			return "", r.err
		}
		if r.err != nil && r.text == "" {
			return "", fault.New(fault.Invalid, "The input ended before the answer.").WithCode("no_answer")
		}
		return strings.TrimSpace(r.text), nil
	}
}

// readLine reads to the end of a line and not beyond: what follows may be a
// secret that another reader takes.
func readLine(r io.Reader) (string, error) {
	var line []byte
	b := make([]byte, 1)
	for {
		n, err := r.Read(b)
		if n == 1 && b[0] == '\n' {
			return string(line), nil
		}
		line = append(line, b[:n]...)
		if err != nil {
			return string(line), err
		}
	}
}

// confirm asks whether to go on with what was just described.
func (s *session) confirm(ctx context.Context, question string) error {
	if s.global.yes {
		return nil
	}
	if !s.canAsk() {
		return usage("Say --yes to do it without being asked.", "%s Nobody is there to answer.", question)
	}
	text, err := s.ask(ctx, question+" [y/N] ")
	if err != nil {
		return err
	}
	if answer := strings.ToLower(text); answer != "y" && answer != "yes" {
		return &outcomeError{code: exitFailed, message: "Nothing was done."}
	}
	return nil
}

// confirmName asks for the name of what is about to be removed.
func (s *session) confirmName(ctx context.Context, question, name string) error {
	if s.global.yes {
		return nil
	}
	if !s.canAsk() {
		return usage("Say --confirm with its name, or --yes.", "%s Nobody is there to answer.", question)
	}
	text, err := s.ask(ctx, question+" Type its name ("+visible(name)+"): ")
	if err != nil {
		return err
	}
	if text != name {
		return &outcomeError{code: exitFailed, message: "That is not its name. Nothing was done."}
	}
	return nil
}

// maxInput bounds what is read from a file or from standard input.
const maxInput = 1 << 20

// readInput returns the content of a file, or of standard input for "-".
func (s *session) readInput(name string) (string, error) {
	in := s.in
	if name != "-" {
		file, err := os.Open(name) //nolint:gosec // the user names the file
		if err != nil {
			return "", fault.New(fault.Invalid, "%v.", err).WithCode("file")
		}
		defer file.Close()
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, maxInput+1))
	switch {
	case err != nil:
		return "", fault.New(fault.Invalid, "%s cannot be read: %v.", name, err).WithCode("file")
	case len(text) > maxInput:
		return "", fault.New(fault.Invalid, "%s is larger than 1 MiB.", name).WithCode("file")
	}
	return string(text), nil
}
