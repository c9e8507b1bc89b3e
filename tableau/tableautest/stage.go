package tableautest

type groupSetRecord struct{}
type jobRecord struct{}
type upload struct{}
type favorite struct{}
