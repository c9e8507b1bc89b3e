// Package engine does work that must not be lost: a job is recorded in the
// transaction that causes it, runs step by step with each result recorded, and
// goes on after a crash where it was.
//
// It is a wall around DBOS Transact and owns what DBOS leaves open: first in,
// first out within a key, a cancel that frees the key only when the work has
// stopped, and on PostgreSQL a heartbeat of each node, the take-over of a dead
// node's jobs, and a node that stops acting when it can no longer know whether
// it has been declared dead. Nothing of DBOS shows outside.
//
// It is not a scheduler with a calendar, not a message bus and not a place for
// rules: it knows kinds of job by name and their input as JSON. Callers are the
// packages that cause work (they enqueue in their transaction) and those that
// do it (they register a handler).
//
// # What is promised
//
//   - A job exists if and only if the transaction that enqueued it committed.
//   - A recorded step is not run again. A step that was started and not recorded
//     is run again, and is told so ([MayHaveHappened]).
//   - Jobs of one key run one at a time, in the order they were enqueued.
//   - A stop marks nothing as failed: what did not end is taken up again.
//
// # Tables
//
// On SQLite the tables of DBOS stand beside the application's (workflow_status,
// workflow_input, workflow_output, operation_outputs, notifications,
// workflow_events, workflow_events_history, streams, event_dispatch_kv, queues,
// workflow_schedules, application_versions, dbos_migrations); on PostgreSQL they are in the schema
// "dbos". Those of this package are called engine_key and engine_node on both.
package engine
