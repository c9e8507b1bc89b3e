package cli

import "strings"

// examples are what the help of commands begins with, by path, for those that
// say none where they are made. Names are those of the simulated site; an
// argument in capitals is an id, as the command that lists such things prints
// it.
var examples = map[string][]string{
	"margay version": {"margay version"},
	"margay whoami":  {"margay whoami", "margay whoami -o json --fields email,admin"},

	"margay access accept":  {"margay access accept GRANT --reason \"Agreed by phone\""},
	"margay access extend":  {"margay access extend GRANT --for 4h --reason \"The pack takes longer\""},
	"margay access list":    {"margay access list --expiring 7d", "margay access list --role Creator --at 2026-03-03 --all -o csv", "margay access list --person me --state active"},
	"margay access reduce":  {"margay access reduce GRANT --for 2h"},
	"margay access restore": {"margay access restore GRANT --wait"},
	"margay access retry":   {"margay access retry GRANT --wait=10m"},
	"margay access show":    {"margay access show GRANT", "margay access show GRANT -o json --fields state,ends_at"},

	"margay batch list":  {"margay batch list", "margay batch list --state running"},
	"margay batch show":  {"margay batch show BATCH", "margay batch show BATCH --state refused,not_begun"},
	"margay batch start": {"margay batch start BATCH --reason \"Project over\""},
	"margay batch stop":  {"margay batch stop BATCH"},

	"margay approval approve": {"margay approval approve REQUEST", "margay approval approve REQUEST --for 6h --reason \"Until the close\""},
	"margay approval deny":    {"margay approval deny REQUEST --reason \"Viewer is enough for this\""},
	"margay approval list":    {"margay approval list"},
	"margay approval show":    {"margay approval show REQUEST"},

	"margay request extend":   {"margay request extend REQUEST --for 4h"},
	"margay request list":     {"margay request list --state waiting_for_approval", "margay request list --person vera.viewer@acme.example --role tableau/Creator"},
	"margay request retry":    {"margay request retry REQUEST"},
	"margay request show":     {"margay request show REQUEST"},
	"margay request watch":    {"margay request watch REQUEST --timeout 5m"},
	"margay request withdraw": {"margay request withdraw REQUEST"},

	"margay task done":   {"margay task done TASK --note \"Set by hand at 14:03\""},
	"margay task fail":   {"margay task fail TASK --note \"No Creator seat is free\""},
	"margay task list":   {"margay task list --mine", "margay task list --state \"\" --app tableau"},
	"margay task method": {"margay task method tableau", "margay task method tableau/Creator --manual --by ada.admin@acme.example"},

	"margay app add":        {"margay app add tableau --policy quarter", "margay app add tableau --connection acme-analytics --owner ada.admin@acme.example --on-revoke unlicensed"},
	"margay app edit":       {"margay app edit tableau --policy quarter --owner ada.admin@acme.example"},
	"margay app list":       {"margay app list"},
	"margay app show":       {"margay app show tableau"},
	"margay role list":      {"margay role list tableau"},
	"margay role show":      {"margay role show tableau/Creator"},
	"margay catalogue list": {"margay catalogue list", "margay catalogue list --person vera.viewer@acme.example"},

	"margay policy edit":    {"margay policy edit quarter --longest 8h --dry-run", "margay policy edit quarter --approver ada.admin@acme.example --approver app-owners"},
	"margay policy history": {"margay policy history quarter"},
	"margay policy list":    {"margay policy list"},
	"margay policy show":    {"margay policy show quarter"},
	"margay profile add":    {"margay profile add Finance --group Finance --whom-to-ask \"Ask the data team.\""},
	"margay profile edit":   {"margay profile edit Finance --group Finance --group Controlling"},
	"margay profile list":   {"margay profile list"},
	"margay profile show":   {"margay profile show Finance"},

	"margay group add":   {"margay group add Finance --member vera.viewer@acme.example,carl.creator@acme.example"},
	"margay group list":  {"margay group list"},
	"margay group show":  {"margay group show Finance"},
	"margay person add":  {"margay person add vera.viewer@acme.example --name \"Vera Viewer\" --manager ada.admin@acme.example"},
	"margay person list": {"margay person list", "margay person list -o csv"},
	"margay person show": {"margay person show vera.viewer@acme.example", "margay person show me"},

	"margay token create": {"margay token create nightly-export --scope access:read --for 30d"},
	"margay token list":   {"margay token list", "margay token list --all"},
	"margay token revoke": {"margay token revoke TOKEN"},

	"margay connection calls":  {"margay connection calls acme-analytics", "margay connection calls acme-analytics --history"},
	"margay connection list":   {"margay connection list"},
	"margay connection pause":  {"margay connection pause acme-analytics"},
	"margay connection resume": {"margay connection resume acme-analytics"},
	"margay connection show":   {"margay connection show acme-analytics"},

	"margay tableau drift list":    {"margay tableau drift list", "margay tableau drift list tableau --unmanaged --all"},
	"margay tableau drift resolve": {"margay tableau drift resolve restore DIFFERENCE --wait", "margay tableau drift resolve accept DIFFERENCE --reason \"Agreed by phone\""},
	"margay tableau drift run":     {"margay tableau drift run tableau --wait"},
	"margay tableau methods":       {"margay tableau methods", "margay tableau methods update user"},

	"margay audit export": {"margay audit export --since 2026-03-01 --until 2026-04-01", "margay audit export --kind grant. -o csv"},
	"margay audit list":   {"margay audit list --since 24h", "margay audit list --kind grant.revoked --all -o jsonl", "margay audit list --subject grant:GRANT"},
	"margay audit tail":   {"margay audit tail --kind grant.", "margay audit tail -o jsonl"},
	"margay audit verify": {"margay audit verify"},

	"margay webhook add":        {"margay webhook add https://hooks.acme.example/margay --name siem --type grant.activated,grant.ended"},
	"margay webhook delete":     {"margay webhook delete WEBHOOK"},
	"margay webhook deliveries": {"margay webhook deliveries WEBHOOK --state failed"},
	"margay webhook list":       {"margay webhook list"},
	"margay webhook replay":     {"margay webhook replay WEBHOOK DELIVERY"},
	"margay webhook rotate":     {"margay webhook rotate WEBHOOK"},
	"margay webhook show":       {"margay webhook show WEBHOOK"},
	"margay webhook test":       {"margay webhook test WEBHOOK"},
	"margay notice mail":        {"margay notice mail", "margay notice mail off"},
	"margay notice mail-test":   {"margay notice mail-test"},
}

func exampleOf(path string) string { return strings.Join(examples[path], "\n") }
