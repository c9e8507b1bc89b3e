package access

// TaskID names a task: "tsk_…".
type TaskID string
