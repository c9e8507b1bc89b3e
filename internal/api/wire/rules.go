package wire

import (
	"encoding/json"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// OnBehalf says who may ask for somebody else: nobody, managers, owners or
// anybody. true is read as anybody and false as nobody.
type OnBehalf string

// UnmarshalJSON implements json.Unmarshaler.
func (o *OnBehalf) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case "true":
		*o = "anybody"
		return nil
	case "false", "null":
		*o = "nobody"
		return nil
	}
	return json.Unmarshal(b, (*string)(o))
}

// Schema implements huma.SchemaProvider.
func (OnBehalf) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		Description: "Who may ask for somebody else; administrators always may. true is read as anybody, false as nobody",
		Examples:    []any{"managers"},
		OneOf: []*huma.Schema{
			{Type: huma.TypeString, Enum: []any{"nobody", "managers", "owners", "anybody"}}, {Type: huma.TypeBoolean},
		},
	}
}

// Auto says which requests need nobody's decision: all that it names must hold.
type Auto struct {
	Longest  Duration `json:"longest,omitempty" doc:"At most so long; null: however long"`
	GroupIDs []string `json:"group_ids,omitempty" doc:"Who asks and whom it is for are members of one"`
	RoleIDs  []string `json:"role_ids,omitempty" doc:"One of these roles"`
}

// State is what people and machines are told of a state.
type State struct {
	Code     string `json:"code"`
	Word     string `json:"word"`
	Sentence string `json:"sentence"`
	Next     []Act  `json:"next" doc:"What may be done next"`
}

// Act is something that may be done next.
type Act struct {
	Code  string `json:"code"`
	Label string `json:"label"`
}

// Comment is what somebody wrote on a request.
type Comment struct {
	ID   string    `json:"id"`
	ByID string    `json:"by_id"`
	Text string    `json:"text"`
	At   time.Time `json:"at"`
}

// NewComment writes on a request.
type NewComment struct {
	Text string `json:"text"`
}

// Group is some people under one name.
type Group struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	Description string    `json:"description"`
	MemberIDs   []string  `json:"member_ids"`
	CreatedAt   time.Time `json:"created_at"`
}

// NewGroup asks for a group.
type NewGroup struct {
	Name        string   `json:"name"`
	Description string   `json:"description,omitempty"`
	MemberIDs   []string `json:"member_ids,omitempty"`
}

// ChangedGroup changes a group; what is left out stays.
type ChangedGroup struct {
	Name        *string   `json:"name,omitempty"`
	Description *string   `json:"description,omitempty"`
	MemberIDs   *[]string `json:"member_ids,omitempty" doc:"All members"`
	AddIDs      []string  `json:"add_ids,omitempty" doc:"These become members too"`
	RemoveIDs   []string  `json:"remove_ids,omitempty" doc:"These are members no more"`
}

// Profile says who may ask: the members of groups.
type Profile struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	GroupIDs  []string  `json:"group_ids"`
	WhomToAsk string    `json:"whom_to_ask" doc:"Told to whoever may not ask; empty: the owners of the app"`
	CreatedAt time.Time `json:"created_at"`
	Edited
}

// NewProfile asks for a profile.
type NewProfile struct {
	Name      string   `json:"name"`
	GroupIDs  []string `json:"group_ids"`
	WhomToAsk string   `json:"whom_to_ask,omitempty"`
}

// ChangedProfile changes a profile; what is left out stays.
type ChangedProfile struct {
	Name      *string   `json:"name,omitempty"`
	GroupIDs  *[]string `json:"group_ids,omitempty"`
	WhomToAsk *string   `json:"whom_to_ask,omitempty"`
	EditOf
}

// PolicyChange is one thing in which two versions of a policy differ.
type PolicyChange struct {
	What   string `json:"what"`
	Before string `json:"before"`
	After  string `json:"after"`
}

// PolicyDiff says in what two versions of a policy differ.
type PolicyDiff struct {
	From    int            `json:"from"`
	To      int            `json:"to"`
	Changes []PolicyChange `json:"changes"`
}

// Impact says what an edit of a policy would change and whom it touches.
type Impact struct {
	Changes  []PolicyChange `json:"changes"`
	Warnings []string       `json:"warnings"`
	Apps     int            `json:"apps" doc:"Apps with roles that follow it"`
	Roles    int            `json:"roles"`
	Waiting  int            `json:"waiting_requests" doc:"They keep the version that they were filed under"`
	Grants   int            `json:"live_grants" doc:"They stay as they were agreed"`
	People   int            `json:"people"`
}

// Import is a CSV file to import.
type Import struct {
	CSV     string `json:"csv" doc:"The file: UTF-8, its first line names the columns"`
	Replace bool   `json:"replace,omitempty" doc:"Groups: those that the file names have the members that it names, and no others"`
}

// Imported says what an import did, or with dry_run would do.
type Imported struct {
	DryRun    bool           `json:"dry_run" doc:"Nothing was changed"`
	Added     int            `json:"added"`
	Changed   int            `json:"changed"`
	Unchanged int            `json:"unchanged"`
	Lines     []ImportedLine `json:"lines" doc:"Those that add or change something"`
}

// ImportedLine is what one line of a file does.
type ImportedLine struct {
	Line    int      `json:"line"`
	What    string   `json:"what"`
	Act     string   `json:"act" enum:"add,change"`
	Changes []string `json:"changes"`
}

// Disabling disables somebody.
type Disabling struct {
	EndAccess bool `json:"end_access,omitempty" doc:"End all access that they hold; otherwise it stays until its time. What was to begin later is withdrawn either way"`
}

// Disabled says what became of what somebody had, or with dry_run would.
type Disabled struct {
	DryRun       bool     `json:"dry_run" doc:"Nothing was changed"`
	Person       Person   `json:"person"`
	Tokens       int      `json:"tokens" doc:"API tokens that work no more"`
	RequestIDs   []string `json:"withdrawn_request_ids" doc:"Requests that waited"`
	EndedIDs     []string `json:"ended_grant_ids" doc:"Access that is being ended, or that was to begin later and is withdrawn"`
	RemainingIDs []string `json:"remaining_grant_ids" doc:"Access that stays until its time"`
	Sentence     string   `json:"sentence"`
}

// Offer is one role as a person sees it in the catalogue.
type Offer struct {
	App       App     `json:"app"`
	Role      Role    `json:"role"`
	Policy    *Policy `json:"policy" doc:"null: none says who may have it"`
	MayAsk    bool    `json:"may_ask"`
	Refusal   *Fault  `json:"refusal,omitempty" doc:"Why it cannot be asked for, and whom to ask"`
	Held      *Grant  `json:"held,omitempty" doc:"The live access that the person has of it"`
	WaitingID string  `json:"waiting_request_id,omitempty" doc:"What the person has asked for already"`
}

// Review is a request with what its approvers need to know.
type Review struct {
	Request   Request   `json:"request"`
	App       App       `json:"app"`
	Role      Role      `json:"role"`
	Person    Person    `json:"person"`
	Requester Person    `json:"requester"`
	Deciders  []Person  `json:"deciders" doc:"Who could decide the step that waits"`
	NextStep  *NextStep `json:"next_step,omitempty" doc:"What follows when you approve"`
	MayDecide bool      `json:"may_decide"`
	Refusal   *Fault    `json:"refusal,omitempty" doc:"Why you may not decide it"`
	Live      []Grant   `json:"live_grants" doc:"What the person has now; for those who decide"`
	Similar   []Request `json:"similar_requests" doc:"The last decisions on this role; for those who decide"`
}
