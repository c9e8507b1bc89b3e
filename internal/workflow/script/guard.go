package script

import (
	"sync"
	"time"

	"modernc.org/quickjs"
)

const (
	// pokeEvery is how often a machine that must stop is told so: a request
	// made just before the machine is entered is forgotten by the engine.
	pokeEvery = time.Millisecond
	// patience is how long a built-in function of the engine is given to come
	// back to where interrupts are looked at, before it is refused memory.
	patience = 50 * time.Millisecond
	// despair is how long a machine is given before the run ends without it.
	// The prelude keeps scripts from every way to get there that we know.
	despair = 3 * time.Second
)

// guard stops a virtual machine that may not go on. Its methods may be called
// from any goroutine.
type guard struct {
	vm    *quickjs.VM
	hurry func() // see hurry

	mu       sync.Mutex
	inside   bool      // the machine is running
	reason   *RunError // why it may not run any more; once set it stays
	starving bool

	lost chan struct{} // closed when the machine does not stop
}

// stop makes the machine stop for the reason, unless it has another already.
func (g *guard) stop(reason *RunError) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.reason != nil {
		return
	}
	g.reason = reason
	if !g.inside {
		return
	}
	g.poke()
	g.after(patience, func() { g.starving = true })
	g.after(despair, func() { close(g.lost) })
}

// after does something later if the machine is still running then.
func (g *guard) after(d time.Duration, do func()) {
	time.AfterFunc(d, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.inside {
			do()
		}
	})
}

// poke interrupts the machine and comes back until it has stopped. The caller
// holds mu.
func (g *guard) poke() {
	g.vm.Interrupt()
	g.hurry()
	if g.starving {
		// Built-in functions written in C look at no flag, but they allocate.
		// The limit is one word that the engine reads at each allocation, so it
		// may be written while the engine runs.
		g.vm.SetMemoryLimit(0)
	}
	g.after(pokeEvery, g.poke)
}

// stopped returns why the machine may not run any more, or nil.
func (g *guard) stopped() *RunError {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.reason
}

// must tells whether the machine must stop.
func (g *guard) must() bool { return g.stopped() != nil }

// enter marks the machine as running, or returns why it may not run.
func (g *guard) enter() *RunError {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside = g.reason == nil
	return g.reason
}

// leave marks the machine as not running. When it returns, nothing touches the
// machine any more.
func (g *guard) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside = false
}
