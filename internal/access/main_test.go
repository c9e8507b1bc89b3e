package access_test

import (
	"errors"
	"flag"
	"os"
	"testing"
)

// The promised size of the model test; a flag that is given still counts.
const (
	modelSequences = 300
	modelSteps     = 60
)

// What rapid is told: its steps are an average, and it counts acts that could
// not be done.
const (
	checks = "300"
	steps  = "90"
)

func TestMain(m *testing.M) {
	if err := errors.Join(flag.Set("rapid.checks", checks), flag.Set("rapid.steps", steps)); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// flagsAsPromised says that nobody asked for fewer sequences.
func flagsAsPromised() bool {
	return flag.Lookup("rapid.checks").Value.String() == checks && flag.Lookup("rapid.steps").Value.String() == steps && flag.Lookup("rapid.failfile").Value.String() == ""
}
