//go:build race

package script_test

// slow is how many times longer things may take under the race detector.
const slow = 5
