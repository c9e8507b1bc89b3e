//go:build race

package access_test

// raced says that the race detector slows everything down: no time is told.
const raced = true
