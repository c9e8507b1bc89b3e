// Move a leaver's content
//
// A manual workflow with the logins of who leaves and of who takes over. Each
// project, flow, data source and workbook is given its new owner by a step of
// its own, so a run that is cut off goes on where it was.

import { type ManualContext, WorkflowError } from "margay";
import { type ContentType, tableau } from "margay/tableau";

interface Inputs {
  readonly leaver: string;
  readonly successor: string;
}

const types: readonly ContentType[] = ["project", "flow", "datasource", "workbook"];

export default async function move(ctx: ManualContext<Inputs>) {
  const leaver = await tableau.users.find(ctx.inputs.leaver);
  const successor = await tableau.users.find(ctx.inputs.successor);
  if (leaver === null) throw new WorkflowError("leaver_missing", `${ctx.inputs.leaver} is not on the site.`);
  if (successor === null) throw new WorkflowError("successor_missing", `${ctx.inputs.successor} is not on the site.`);
  if (successor.siteRole === "Unlicensed") {
    throw new WorkflowError("successor_unlicensed", `${successor.name} has no licence and cannot own content.`, "Give them one first.");
  }

  const moved: string[] = [];
  for (const type of types) {
    for (const content of await tableau.content.list({ type, ownerId: leaver.id, limit: 150 - moved.length })) {
      const change = await tableau.content.setOwner(content, successor.id);
      if (change.changed) moved.push(`${type} ${change.name}`);
    }
    if (moved.length >= 150) break; // a run makes 200 calls: run it again for the rest
  }
  return { note: `${moved.length} pieces of content went from ${leaver.name} to ${successor.name}.`, moved };
}
