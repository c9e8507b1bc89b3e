package tableautest

import "slices"

// simulatedMethods is the table of everything that is simulated. Verb, path and
// versions come from the catalogue by the name.
func simulatedMethods() []simulated {
	return slices.Concat(
		authenticationMethods(), userMethods(),
	)
}

func authenticationMethods() []simulated {
	return []simulated{
		{name: "sign-in", need: open, handle: (*call).signIn},
		{name: "sign-out", handle: (*call).signOut},
		{name: "switch-site", handle: (*call).switchSite},
		{name: "revoke-administrator-personal-access-tokens", need: serverAdmin, handle: (*call).revokeAdministratorTokens},
		{name: "revoke-all-server-admin-tokens-tsc-path", need: serverAdmin, handle: (*call).revokeAdministratorTokens},
		{name: "server-info", need: open, handle: (*call).serverInfo},
		{name: "get-current-server-session", handle: (*call).currentSession},
		{name: "delete-server-session", need: serverAdmin, handle: (*call).deleteSession},
	}
}

func userMethods() []simulated {
	return []simulated{
		{name: "get-users-on-site", need: admin, handle: (*call).getUsers, locking: itself},
		{name: "query-user-on-site", handle: (*call).getUser},
		{name: "add-user-to-site", need: admin, handle: (*call).addUser},
		{name: "update-user", need: admin, handle: (*call).updateUser},
		{name: "remove-user-from-site", need: admin, handle: (*call).removeUser},
		{name: "list-personal-access-tokens-for-user", need: adminOrSelf, handle: (*call).listPATs},
	}
}
