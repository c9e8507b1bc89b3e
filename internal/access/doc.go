// Package access decides who may have what, for how long, and who must agree.
//
// A person asks for a role of an app (Request). The role's policy says who
// decides (Approval). A request that everybody agreed to becomes a Grant, which
// ends by itself at its time. Each rule is a pure function from the present
// state to the next one and the events that tell of it; Service runs the rules
// inside one store transaction, which also holds the Job that carries the
// change out: a job exists only if its event does.
//
// The package holds these rules and nothing else: it knows no SQL, no HTTP, no
// workflow and no Tableau. Carrying a grant out and back is the work of package
// provision, which reports what came of it through Service.
package access
