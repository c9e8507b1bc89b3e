package wire

// ChosenChecks says which checks are run, as the query may.
type ChosenChecks struct {
	Only []string `json:"only,omitempty" nullable:"false" doc:"Keys of checks, such as session; left out: all"`
}
