package tableautest

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"strings"
)

// importUsers adds or updates the users of a CSV file without a header: name,
// password, display name, licence, admin level, publish, e-mail.
func (c *call) importUsers() (answer, *failure) {
	rows, f := c.csvPart("tableau_user_import")
	if f != nil {
		return answer{}, f
	}
	j := c.startJob("UserImport", "")
	for _, r := range rows {
		if note := c.importUser(r); note != "" {
			j.failed = true
			j.notes = append(j.notes, note)
		}
	}
	return ok(newJob(j)), nil
}

// csvRoles maps licence, admin level and publish to a site role.
func csvRole(licence, level, publish string) (string, bool) {
	isAdmin := strings.EqualFold(level, "Site") || strings.EqualFold(level, "System")
	mayPublish := publish == "1" || strings.EqualFold(publish, "true")
	switch strings.ToLower(licence) {
	case "creator":
		if isAdmin {
			return RoleSiteAdministratorCreator, true
		}
		return RoleCreator, true
	case "explorer":
		switch {
		case isAdmin:
			return RoleSiteAdministratorExplorer, true
		case mayPublish:
			return RoleExplorerCanPublish, true
		}
		return RoleExplorer, true
	case "viewer":
		return RoleViewer, true
	case "unlicensed", "":
		return RoleUnlicensed, true
	default:
		return "", false
	}
}

// importUser handles one row and says what was wrong with it.
func (c *call) importUser(row []string) string {
	cell := func(i int) string {
		if i < len(row) {
			return strings.TrimSpace(row[i])
		}
		return ""
	}
	role, known := csvRole(cell(3), cell(4), cell(5))
	if !known {
		return "USER_CSV_INVALID_LICENSE: " + cell(3)
	}
	u := &userRecord{created: c.in.now(), role: RoleUnlicensed}
	u.domain, u.name = c.splitDomain(cell(0))
	if u.name == "" {
		return "USER_CSV_MISSING_NAME"
	}
	for _, old := range c.site.userNamed(u.name) {
		if strings.EqualFold(old.domain, u.domain) {
			next := *old
			u = &next
		}
	}
	had := u.role
	if u.id == "" {
		u.id, u.authSetting, had = c.in.luid(), c.usualAuthSetting(u), RoleUnlicensed
	}
	var f *failure
	if u.role, f = c.seat(had, role); f != nil {
		return fmt.Sprintf("%s: %s", f.code, u.name)
	}
	u.fullName, u.email = or(cell(2), or(u.fullName, u.name)), or(cell(6), u.email)
	c.site.putUser(u)
	return ""
}

// deleteUsers removes the users that a CSV file names in its first column.
func (c *call) deleteUsers() (answer, *failure) {
	rows, f := c.csvPart("tableau_user_delete")
	if f != nil {
		return answer{}, f
	}
	j := c.startJob("UserDelete", "")
	for _, r := range rows {
		domain, name := c.splitDomain(strings.TrimSpace(r[0]))
		var found *userRecord
		for _, u := range c.site.userNamed(name) {
			if strings.EqualFold(u.domain, domain) {
				found = u
			}
		}
		switch {
		case found == nil:
			j.failed = true
			j.notes = append(j.notes, "404002: "+name)
		case c.site.content.owned(found.id):
			j.failed = true
			j.notes = append(j.notes, "409003: "+name)
		default:
			c.in.dropUser(c.site, found.id)
		}
	}
	return ok(newJob(j)), nil
}

// csvPart reads the CSV file of a multipart body.
func (c *call) csvPart(name string) ([][]string, *failure) {
	parts, f := c.parts()
	if f != nil {
		return nil, f
	}
	file, ok := parts[name]
	if !ok {
		return nil, fail("400020")
	}
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(file.data, []byte("\xef\xbb\xbf"))))
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	if err != nil {
		return nil, fail("400000")
	}
	return rows, nil
}

// savedCredentials answers the two methods of content migration that move a
// user's saved data credentials. There are none.
func (c *call) savedCredentials() (answer, *failure) {
	if c.site.user(c.param("userId")) == nil {
		return answer{}, fail("404002")
	}
	if c.route.method.name == "upload-user-credentials" {
		return ok(), nil
	}
	return ok(list("encryptedKeychainList", nil)), nil
}
