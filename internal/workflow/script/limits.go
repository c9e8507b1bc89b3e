package script

import (
	"fmt"
	"time"
)

// Limits bound one run. A field that is zero takes its default.
type Limits struct {
	Memory int           // bytes that the virtual machine may hold; default 64 MiB
	Stack  int           // nested calls of functions; default 2,000
	CPU    time.Duration // time in the virtual machine between two calls; default 5 s
	Calls  int           // calls of the host; default 200
	Data   int           // bytes of arguments and answers of all calls; default 10 MiB
	Output int           // bytes of the log and of the result; default 1 MiB
}

// The defaults of [Limits].
const (
	DefaultMemory = 64 << 20
	DefaultStack  = 2000
	DefaultCPU    = 5 * time.Second
	DefaultCalls  = 200
	DefaultData   = 10 << 20
	DefaultOutput = 1 << 20
)

// withDefaults returns l with each zero replaced.
func (l Limits) withDefaults() Limits {
	for field, fallback := range map[*int]int{
		&l.Memory: DefaultMemory,
		&l.Stack:  DefaultStack,
		&l.Calls:  DefaultCalls,
		&l.Data:   DefaultData,
		&l.Output: DefaultOutput,
	} {
		if *field <= 0 {
			*field = fallback
		}
	}
	if l.CPU <= 0 {
		l.CPU = DefaultCPU
	}
	return l
}

// exceeded returns the error of a run that ran into the limit.
func (l Limits) exceeded(which Limit) *RunError {
	e := &RunError{Kind: Limited, Limit: which}
	switch which {
	case LimitMemory:
		e.Message = "The workflow needed more than " + bytes(l.Memory) + " of memory."
	case LimitStack:
		e.Message = fmt.Sprintf("The functions of the workflow call each other more than %d deep.", l.Stack)
	case LimitCPU:
		e.Message = fmt.Sprintf("The workflow computed for more than %v without making a call.", l.CPU)
	case LimitCalls:
		e.Message = fmt.Sprintf("The workflow made more than %d calls.", l.Calls)
	case LimitData:
		e.Message = "The calls of the workflow sent and received more than " + bytes(l.Data) + "."
	case LimitOutput:
		e.Message = "The log and the result of the workflow are longer than " + bytes(l.Output) + "."
	}
	return e
}

// bytes writes a size in the largest unit that divides it.
func bytes(n int) string {
	switch {
	case n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	default:
		return fmt.Sprintf("%d bytes", n)
	}
}
