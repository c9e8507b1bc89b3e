package tableautest

import (
	"net/http"
	"slices"
	"strings"
	"sync"
)

// simulatedMethods is the table of everything that is simulated. Verb, path and
// versions come from the catalogue by the name.
var simulatedMethods = sync.OnceValue(func() []simulated {
	return slices.Concat(
		authenticationMethods(), siteMethods(), userMethods(), groupMethods(), projectMethods(), documentMethods(),
		scheduleMethods(), favoriteMethods(), collectionMethods(), explorationMethods(), permissionMethods(),
	)
})

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
		{name: "list-server-active-directory-domains", need: serverAdmin, handle: (*call).domains},
		{name: "update-server-active-directory-domain", need: serverAdmin, handle: (*call).updateDomain},
	}
}

func siteMethods() []simulated {
	embedding := setting("site", el("site").yes("unrestrictedEmbedding", true).with("allowList", ""))
	mcp := setting("mcpSiteSettings", el("mcpSiteSettings").yes("enabled", false))
	return []simulated{
		{name: "get-mcp-site-settings", need: admin, handle: mcp},
		{name: "query-sites", handle: (*call).querySites},
		{name: "query-site", handle: (*call).querySite},
		{name: "query-site-by-name", handle: (*call).querySite},
		{name: "query-site-by-content-url", handle: (*call).querySite},
		{name: "create-site", need: serverAdmin, handle: (*call).createSite},
		{name: "update-site", need: admin, handle: (*call).updateSite},
		{name: "delete-site", need: serverAdmin, handle: (*call).deleteSite},
		{name: "delete-site-by-name", need: serverAdmin, handle: (*call).deleteSite},
		{name: "delete-site-by-content-url", need: serverAdmin, handle: (*call).deleteSite},
		{name: "get-recently-viewed", handle: (*call).recentlyViewed},
		{name: "query-views-for-site", handle: queryDocuments(view)},
		{name: "get-data-acceleration-report-for-a-site", need: admin, handle: (*call).accelerationReport},
		{name: "get-embedding-settings-for-site", need: admin, handle: embedding},
		{name: "update-embedding-settings-for-site", need: admin, handle: embedding},
		{name: "list-site-authentication-configurations", need: admin, handle: (*call).siteAuthConfigurations},
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
		{name: "import-users-to-site-from-csv", need: admin, handle: (*call).importUsers, anyBody: true},
		{name: "delete-users-from-site-with-csv", need: admin, handle: (*call).deleteUsers, anyBody: true},
		{name: "download-user-credentials", need: admin, handle: (*call).savedCredentials},
		{name: "upload-user-credentials", need: admin, handle: (*call).savedCredentials},
	}
}

func groupMethods() []simulated {
	return []simulated{
		{name: "query-groups", need: admin, handle: (*call).queryGroups},
		{name: "create-group", need: admin, handle: (*call).createGroup},
		{name: "update-group", need: admin, handle: (*call).updateGroup},
		{name: "delete-group", need: admin, handle: (*call).deleteGroup},
		{name: "get-groups-for-a-user", need: adminOrSelf, handle: (*call).groupsOfUser},
		{name: "get-users-in-group", need: admin, handle: (*call).usersInGroup},
		{name: "add-user-to-group", need: admin, handle: (*call).addToGroup},
		{name: "bulk-add-users-to-group", need: admin, handle: (*call).addToGroup},
		{name: "remove-user-from-group", need: admin, handle: (*call).removeFromGroup},
		{name: "bulk-remove-users-from-group", need: admin, handle: (*call).removeManyFromGroup},
		{name: "list-group-sets", need: admin, handle: (*call).listGroupSets},
		{name: "get-group-set", need: admin, handle: (*call).getGroupSet},
		{name: "create-group-set", need: admin, handle: (*call).createGroupSet},
		{name: "update-group-set", need: admin, handle: (*call).updateGroupSet},
		{name: "delete-group-set", need: admin, handle: (*call).deleteGroupSet},
		{name: "add-group-to-group-set", need: admin, handle: (*call).addToGroupSet},
		{name: "remove-group-from-group-set", need: admin, handle: (*call).removeFromGroupSet},
		{name: "query-job", handle: (*call).queryJob},
		{name: "query-jobs", need: admin, handle: (*call).queryJobs},
		{name: "cancel-job", need: admin, handle: (*call).cancelJob},
	}
}

func projectMethods() []simulated {
	return []simulated{
		{name: "query-projects", handle: (*call).queryProjects},
		{name: "create-project", handle: (*call).createProject},
		{name: "update-project", handle: (*call).updateProject},
		{name: "delete-project", handle: (*call).deleteProject},
	}
}

func documentMethods() []simulated {
	return []simulated{
		{name: "query-workbooks-for-site", handle: queryDocuments(workbook)},
		{name: "query-workbooks-for-user", need: adminOrSelf, handle: queryDocumentsOfUser(workbook)},
		{name: "query-workbook", handle: queryDocument(workbook), locking: writing},
		{name: "query-workbook-by-content-url", handle: queryDocument(workbook), locking: writing},
		{name: "update-workbook", handle: updateDocument(workbook)},
		{name: "delete-workbook", handle: deleteDocument(workbook)},
		{name: "add-tags-to-workbook", handle: addTags(workbook, "400049")},
		{name: "delete-tag-from-workbook", handle: deleteTag(workbook)},
		{name: "query-views-for-workbook", handle: (*call).viewsForWorkbook},
		{name: "query-workbook-connections", handle: queryConnections(workbook)},
		{name: "update-workbook-now", handle: refresh(workbook, "RefreshExtract")},
		{name: "publish-workbook", handle: publish(workbook), anyBody: true},
		{name: "download-workbook", handle: download(workbook)},
		{name: "get-workbook-revisions", handle: queryRevisions(workbook)},
		{name: "download-workbook-revision", handle: downloadRevision(workbook)},
		{name: "remove-workbook-revision", handle: removeRevision(workbook)},

		{name: "get-view", handle: queryDocument(view), locking: writing},
		{name: "get-view-by-path", handle: queryDocuments(view)},
		{name: "delete-view", handle: deleteDocument(view)},
		{name: "add-tags-to-view", handle: addTags(view, "400076")},
		{name: "delete-tag-from-view", handle: deleteTag(view)},
		{name: "query-view-data", handle: (*call).viewData, locking: writing},

		{name: "query-data-sources", handle: queryDocuments(datasource)},
		{name: "query-data-source", handle: queryDocument(datasource), locking: writing},
		{name: "update-data-source", handle: updateDocument(datasource)},
		{name: "delete-data-source", handle: deleteDocument(datasource)},
		{name: "add-tags-to-data-source", handle: addTags(datasource, "400075")},
		{name: "delete-tag-from-data-source", handle: deleteTag(datasource)},
		{name: "query-data-source-connections", handle: queryConnections(datasource)},
		{name: "update-data-source-now", handle: refresh(datasource, "RefreshExtract")},
		{name: "publish-data-source", handle: publish(datasource), anyBody: true},
		{name: "download-data-source", handle: download(datasource)},
		{name: "get-data-source-revisions", handle: queryRevisions(datasource)},
		{name: "download-data-source-revision", handle: downloadRevision(datasource)},
		{name: "remove-data-source-revision", handle: removeRevision(datasource)},

		{name: "query-flows-for-site", handle: queryDocuments(flow)},
		{name: "query-flows-for-user", need: adminOrSelf, handle: queryDocumentsOfUser(flow)},
		{name: "query-flow", handle: queryDocument(flow), locking: writing},
		{name: "update-flow", handle: updateDocument(flow)},
		{name: "delete-flow", handle: deleteDocument(flow)},
		{name: "add-tags-to-flow", handle: addTags(flow, "400049")},
		{name: "delete-tag-from-flow", handle: deleteTag(flow)},
		{name: "query-flow-connections", handle: queryConnections(flow)},
		{name: "run-flow-now", handle: refresh(flow, "RunFlow")},
		{name: "publish-flow", handle: publish(flow), anyBody: true},
		{name: "download-flow", handle: download(flow)},

		{name: "initiate-file-upload", handle: (*call).initiateUpload, anyBody: true},
		{name: "append-to-file-upload", handle: (*call).appendUpload, anyBody: true},
	}
}

func scheduleMethods() []simulated {
	return []simulated{
		{name: "query-schedules", handle: (*call).querySchedules},
		{name: "get-schedule", handle: (*call).getSchedule},
		{name: "create-schedule", need: serverAdmin, handle: (*call).createSchedule},
		{name: "update-schedule", need: serverAdmin, handle: (*call).updateSchedule},
		{name: "delete-schedule", need: serverAdmin, handle: (*call).deleteSchedule},
		{name: "batch-update-schedule-state", need: serverAdmin, handle: (*call).scheduleStates},
		{name: "add-workbook-to-schedule", handle: addToSchedule(workbook)},
		{name: "add-data-source-to-schedule", handle: addToSchedule(datasource)},
		{name: "query-extract-refresh-tasks", handle: (*call).tasksOfSchedule},
		{name: "get-extract-refresh-tasks", handle: (*call).getTasks},
		{name: "get-extract-refresh-task", handle: (*call).getTask},
		{name: "run-extract-refresh-task", handle: (*call).runTask},
		{name: "delete-extract-refresh-task", handle: (*call).deleteTask},
		{name: "get-data-acceleration-tasks", handle: (*call).accelerationTasks},
		{name: "get-data-acceleration-task", handle: (*call).accelerationTasks},
		{name: "delete-data-acceleration-task", handle: (*call).accelerationTasks},
	}
}

func favoriteMethods() []simulated {
	out := []simulated{
		{name: "get-favorites-for-user", handle: (*call).getFavorites},
		{name: "update-favorites", handle: (*call).orderFavorites},
	}
	for kind, name := range map[contentKind]string{
		workbook: "workbook", view: "view", datasource: "data-source", project: "project", flow: "flow", collection: "collection",
	} {
		out = append(out,
			simulated{name: "add-" + name + "-to-favorites", handle: (*call).addFavorite},
			simulated{name: "delete-" + name + "-from-favorites", handle: deleteFavorite(kind)},
		)
	}
	return out
}

func collectionMethods() []simulated {
	return []simulated{
		{name: "list-collections", handle: (*call).listCollections},
		{name: "get-collection", handle: (*call).getCollection},
		{name: "create-collection", handle: (*call).createCollection, anyBody: true},
		{name: "delete-collection", handle: (*call).deleteCollection},
		{name: "batch-update-collections", handle: (*call).updateCollections, anyBody: true},
		{name: "list-collection-items", handle: (*call).listCollectionItems},
		{name: "add-collection-items", handle: (*call).changeCollectionItems, anyBody: true},
		{name: "delete-collection-items", handle: (*call).changeCollectionItems, anyBody: true},
	}
}

func explorationMethods() []simulated {
	return []simulated{
		{name: "get-content-search-results", handle: (*call).search},
		{name: "get-content-suggestions", handle: (*call).suggestions},
		{name: "get-usage-statistics-for-content-item", handle: (*call).usage},
		{name: "get-batch-content-usage-statistics", handle: (*call).batchUsage, anyBody: true},
	}
}

// permissionMethods are all of the catalogue that are about the permissions of
// content that is simulated: one for each kind, grantee and verb.
func permissionMethods() []simulated {
	handlers := map[string]func(*call) (answer, *failure){
		http.MethodGet: (*call).queryPermissions, http.MethodPut: (*call).changePermissions,
		http.MethodPost: (*call).changePermissions, http.MethodDelete: (*call).deletePermission,
	}
	var out []simulated
	for _, m := range catalogue() {
		if !strings.Contains(m.path, "}/permissions") && !strings.Contains(m.path, "/default-permissions/") {
			continue
		}
		for _, k := range kindTags {
			if strings.Contains(m.path, "/"+k.segment+"/{") {
				out = append(out, simulated{name: m.name, handle: handlers[m.verb]})
			}
		}
	}
	return out
}
