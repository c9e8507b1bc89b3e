//go:build !race

package script_test

// slow is how many times longer things may take here.
const slow = 1
