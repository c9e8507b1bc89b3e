package tableautest

import (
	"fmt"
	"net/http"
	"strconv"
)

// failure is an error answer of Tableau's.
type failure struct {
	status          int
	code            string
	summary, detail string
	header          http.Header
	html            bool
}

func (f *failure) Error() string {
	return fmt.Sprintf("%d %s: %s: %s", f.status, f.code, f.summary, f.detail)
}

// texts are summary and detail of each code. Those of 400006, 400007,
// 403009, 403014 and of the 409s are ours, since the real ones are not known.
var texts = map[string][2]string{
	"400000": {"Bad Request", "Payload is either malformed or incomplete"},
	"400003": {"Bad Request", "Payload is either malformed or incomplete"},
	"400005": {"Bad Request", "The favorite is missing its label or its content."},
	"400006": {"Bad Request", "Invalid page number."},
	"400007": {"Bad Request", "Invalid page size."},
	"400008": {"Bad Request", "Invalid parameter value."},
	"400009": {"Bad Request", "Invalid capability."},
	"400010": {"Bad Request", "The content type is not allowed."},
	"400011": {"Bad Request", "There was a problem publishing the file."},
	"400013": {"Bad Request", "Invalid site role"},
	"400016": {"Bad Request", "The chunk is too big."},
	"400019": {"Bad Request", "The request payload is not empty."},
	"400020": {"Bad Request", "The request has no file part."},
	"400025": {"Bad Request", "The filter value is of the wrong type."},
	"400032": {"Bad Request", "The user is not a member of the group."},
	"400049": {"Bad Request", "Invalid tag."},
	"400065": {"Bad Request", "The filter query contains a key which is not recognized for this api version."},
	"400075": {"Bad Request", "Invalid tag."},
	"400076": {"Bad Request", "Invalid tag."},
	"401000": {"Unauthorized Access", "No authentication credentials were provided."},
	"401001": {"Signin Error", "The personal access token you provided is invalid."},
	"401002": {"Unauthorized Access", "Invalid authentication credentials were provided."},
	"401003": {"Unauthorized Access", "The site is not available to switch to."},
	"403002": {"Forbidden", "The site cannot be deleted."},
	"403003": {"Forbidden", "The default project cannot be deleted."},
	"403004": {"Forbidden", "The operation is forbidden."},
	"403005": {"Forbidden", "The default project cannot be renamed or moved."},
	"403009": {"Forbidden", "A user's own licensing role and the Guest user cannot be updated."},
	"403014": {"Forbidden", "The page size exceeds the limit of 1000."},
	"403015": {"Forbidden", "The user may not publish, and so not upload."},
	"403016": {"Forbidden", "The upload session was started by another user."},
	"403020": {"Forbidden", "The All Users group cannot be changed."},
	"403035": {"Forbidden", "Default permissions may not be read."},
	"403053": {"Forbidden", "Revision history is not enabled for this site."},
	"403055": {"Forbidden", "The current revision cannot be removed."},
	"403069": {"Forbidden", "Query Sites is not available on Tableau Cloud."},
	"403070": {"Forbidden", "The session is already on that site."},
	"403091": {"Forbidden", "The job has already finished."},
	"403096": {"Forbidden", "Permissions of a view cannot be changed while its workbook shows tabs."},
	"403133": {"Forbidden", "The user may not be read by a user who is not an administrator."},
	"403157": {"Forbidden", "The feature is disabled on this site."},
	"404000": {"Resource Not Found", "Site could not be found."},
	"404001": {"Resource Not Found", "The version is not a valid version of the API."},
	"404002": {"Resource Not Found", "User could not be found."},
	"404003": {"Resource Not Found", "Unknown resource specified in URI."},
	"404004": {"Resource Not Found", "Data source could not be found."},
	"404005": {"Resource Not Found", "Project could not be found."},
	"404006": {"Resource Not Found", "Workbook could not be found."},
	"404007": {"Resource Not Found", "Tag could not be found."},
	"404008": {"Resource Not Found", "Tag could not be found."},
	"404010": {"Resource Not Found", "Favorite could not be found."},
	"404011": {"Resource Not Found", "View could not be found."},
	"404012": {"Resource Not Found", "Group could not be found."},
	"404013": {"Resource Not Found", "The capability could not be found."},
	"404014": {"Resource Not Found", "The capability could not be found."},
	"404015": {"Resource Not Found", "Upload session could not be found."},
	"404018": {"Resource Not Found", "Job could not be found."},
	"404023": {"Resource Not Found", "Schedule could not be found."},
	"404026": {"Resource Not Found", "Task could not be found."},
	"404024": {"Resource Not Found", "Revision could not be found."},
	"404027": {"Resource Not Found", "Flow could not be found."},
	"405000": {"Method Not Allowed", "The HTTP method is not supported for the given resource"},
	"406000": {"Bad Request", "Content type not supported"},
	"409000": {"Resource Conflict", "User is already on the site."},
	"409001": {"Resource Conflict", "A site already exists with that name."},
	"409002": {"Resource Conflict", "A site already exists with that content URL."},
	"409003": {"Resource Conflict", "The user still owns content on the site."},
	"409004": {"Resource Conflict", "The user quota of the site is exceeded."},
	"409005": {"Resource Conflict", "The Guest user cannot be added."},
	"409006": {"Resource Conflict", "A project already exists with that name."},
	"409007": {"Resource Conflict", "The content is already among the favorites."},
	"409009": {"Resource Conflict", "A group already exists with that name."},
	"409011": {"Resource Conflict", "User is already a member of the group."},
	"409014": {"Resource Conflict", "Licensing conflict: insufficient capacity."},
	"409015": {"Resource Conflict", "A data source already exists with that name."},
	"409017": {"Resource Conflict", "User is already on the site."},
	"409021": {"Resource Conflict", "A schedule already exists with that name."},
	"409041": {"Resource Conflict", "A flow already exists with that name."},
	"409120": {"Resource Conflict", "A group set already exists with that name."},
	"413000": {"Payload Too Large", "The request is larger than 64 MB."},
	"429000": {"Too Many Requests", "Too many requests"},
	"500000": {"Internal Server Error", "An internal error occurred."},
	"501000": {"Not Implemented", "The simulated Tableau does not simulate this method."},
	"502000": {"Bad Gateway", "The gateway had no answer."},
	"503000": {"Service Unavailable", "The service is not available."},
	"504000": {"Gateway Timeout", "The gateway had no answer in time."},
}

// fail returns the failure of a code: its HTTP status is the code's first
// three digits. A detail replaces the usual one.
func fail(code string, detail ...string) *failure {
	f := &failure{code: code, summary: texts[code][0], detail: texts[code][1]}
	if len(code) >= 3 {
		f.status, _ = strconv.Atoi(code[:3])
	}
	if f.summary == "" {
		f.summary = http.StatusText(f.status)
	}
	if len(detail) > 0 {
		f.detail = detail[0]
	}
	return f
}

// oddStatus holds the documented pairs of a method and a code whose HTTP
// status is not the code's first three digits.
var oddStatus = map[[2]string]int{
	{"update-group", "400013"}:          http.StatusForbidden,
	{"update-group", "400019"}:          http.StatusForbidden,
	{"remove-user-from-site", "404000"}: http.StatusForbidden,
}
