//go:build !race

package access_test

// sequences is how many the model is led through; -rapid.checks bounds it too.
const sequences = 1_000_000

// raced says that the race detector slows everything down: no time is told.
const raced = false
