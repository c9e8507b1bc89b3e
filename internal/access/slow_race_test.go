//go:build race

package access_test

// sequences is how many the model is led through: it does one thing at a time,
// so the race detector has nothing to find in it, and costs much.
const sequences = 20

// raced says that the race detector slows everything down: no time is told.
const raced = true
