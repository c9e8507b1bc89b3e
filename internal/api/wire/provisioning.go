package wire

// Provisioning says how access is carried out. It is a part of its app or role,
// and the version is that of the app or role.
type Provisioning struct {
	Method    string   `json:"method" enum:",workflows,manual" doc:"manual: a person does it and says so; of a role, empty: as its app"`
	PersonIDs []string `json:"people_ids,omitempty" doc:"Who does it by hand"`
	GroupIDs  []string `json:"group_ids,omitempty" doc:"Their members may do it too"`
	Edited
}

// ChangedProvisioning says how access is to be carried out: all of it.
type ChangedProvisioning struct {
	Method    string   `json:"method" enum:",workflows,manual" doc:"manual: a person does it and says so; of a role, empty: as its app"`
	PersonIDs []string `json:"people_ids,omitempty" doc:"Who does it by hand"`
	GroupIDs  []string `json:"group_ids,omitempty" doc:"Their members may do it too"`
	Version   int      `json:"version,omitempty" minimum:"0" doc:"The one of the app or the role that the editor saw: when another was saved meanwhile, nothing is changed and the answer is 409, with what is stored now in errors. If-Match with the ETag does the same. Left out: it takes the place of whatever is stored"`
}
