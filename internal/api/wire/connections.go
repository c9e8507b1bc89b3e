package wire

// CheckSentence is one of the results that a check may have, word for word.
type CheckSentence struct {
	Pass    bool   `json:"pass"`
	Text    string `json:"text" doc:"A part in brackets stands for a value"`
	Meaning string `json:"meaning"`
}

// Guide tells a person where the credentials of a connection come from.
type Guide struct {
	Title string      `json:"title"`
	Intro string      `json:"intro"`
	Steps []GuideStep `json:"steps"`
	Notes []GuideStep `json:"notes"`
	Links []Link      `json:"links"`
}

// GuideStep is one thing to do, or to know.
type GuideStep struct {
	Title string `json:"title"`
	Text  string `json:"text"`
}

// Link leads to a page of somebody else's.
type Link struct {
	Label string `json:"label"`
	URL   string `json:"url"`
}

// Idle says that the system ends credentials that are not used.
type Idle struct {
	EndsAfter Duration `json:"ends_after"`
	WarnAfter Duration `json:"warn_after"`
	Text      string   `json:"text"`
}
