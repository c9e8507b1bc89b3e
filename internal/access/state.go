package access

// Act is something that may be done next, as data: what a page makes a button
// of and a command line a hint.
type Act struct {
	Code  string // for machines, stable: "withdraw"
	Label string // a verb and a noun: "Withdraw request"
}

// The acts on requests.
var (
	ActApprove  = Act{"approve", "Approve request"}
	ActDeny     = Act{"deny", "Deny request"}
	ActComment  = Act{"comment", "Comment on request"}
	ActWithdraw = Act{"withdraw", "Withdraw request"}
	ActAskAgain = Act{"ask_again", "Ask again"}
	ActSeeGrant = Act{"see_access", "See what became of the access"}
)

// StateText is what people and machines are told of a state: one code, one word,
// one sentence, and what may be done next. There is one table of these for each
// kind of thing; API, command line and pages show nothing else.
type StateText struct {
	Code     string // as it is kept and sent
	Word     string // on a chip: "Waiting for approval"
	Sentence string // what it means, for whoever reads it first
	Next     []Act  // what may be done; who may is asked of the service
}

// RequestStates is the table of the states of a request, in the order of its
// life.
func RequestStates() []StateText {
	return []StateText{
		{
			string(RequestWaiting), "Waiting for approval", "Nobody has decided the step that is waiting yet.",
			[]Act{ActApprove, ActDeny, ActComment, ActWithdraw},
		},
		{
			string(RequestApproved), "Approved", "Everybody who had to agree has agreed. What became of the access is said by the access itself.",
			[]Act{ActSeeGrant, ActComment},
		},
		{
			string(RequestDenied), "Denied", "An approver has turned the request down. No access came of it.",
			[]Act{ActComment, ActAskAgain},
		},
		{
			string(RequestWithdrawn), "Withdrawn", "The request was taken back before it was decided. No access came of it.",
			[]Act{ActAskAgain},
		},
		{
			string(RequestLapsed), "Lapsed", "Nobody decided in time. No access came of it.",
			[]Act{ActComment, ActAskAgain},
		},
	}
}

// Text returns what is told of the state. Of one that is not in the table it
// knows the code alone.
func (s RequestState) Text() StateText { return textOf(RequestStates(), string(s)) }

func textOf(table []StateText, code string) StateText {
	for _, t := range table {
		if t.Code == code {
			return t
		}
	}
	return StateText{Code: code, Word: code}
}
