package workflow

import "encoding/json"

// examples are what a new workflow of each type begins with: each compiles and
// does no harm.
var examples = map[Type]string{
	Manual: `import { log, type ManualContext } from "margay";

export default async function run(ctx: ManualContext<{ name: string }>) {
  log.info("Hello, " + ctx.inputs.name + ".");
  return { note: "Said hello to " + ctx.inputs.name + "." };
}
`,
	Scheduled: `import { log, type ScheduledContext } from "margay";

export default async function run(ctx: ScheduledContext) {
  log.info("It is " + ctx.scheduledFor + ".");
  return { note: "Nothing to do." };
}
`,
	AccessProvisioning: `import { type AccessContext, type AccessResult, WorkflowError, requireGrant } from "margay";

export default async function provision(ctx: AccessContext): Promise<AccessResult> {
  requireGrant(ctx);
  throw new WorkflowError("not_written", "This workflow does not give anything yet.");
}
`,
	AccessDeprovisioning: `import { type AccessContext, type AccessResult, WorkflowError, requireGrant } from "margay";

export default async function deprovision(ctx: AccessContext): Promise<AccessResult> {
  requireGrant(ctx);
  throw new WorkflowError("not_written", "This workflow does not take anything back yet.");
}
`,
	CustomApproval: `import { type ApprovalContext, type ApprovalResult } from "margay";

export default async function decide(ctx: ApprovalContext): Promise<ApprovalResult> {
  return { decision: "deny", reason: "Nobody has written yet who decides on " + ctx.role.name + "." };
}
`,
}

// example returns the content that a new workflow of the type begins with.
func example(of Type, c Content) Content {
	c.Source = examples[of]
	if of == Manual && len(c.Inputs) == 0 {
		c.Inputs = json.RawMessage(`{"type":"object","properties":{"name":{"type":"string","title":"Name","default":"world"}},"required":["name"]}`)
	}
	return c
}
