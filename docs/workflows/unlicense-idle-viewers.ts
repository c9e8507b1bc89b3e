// Unlicense idle Viewers, after a review
//
// A manual workflow. Run it first with apply off: it lists who would lose their
// licence and changes nothing. Somebody reviews the list; then it is run with
// apply on, and the logins of those who stay in keep. That run reads the list
// anew: who signed in meanwhile stays by itself, and so does who is no Viewer any
// more when their turn comes.

import { log, type ManualContext } from "margay";
import { tableau } from "margay/tableau";

interface Inputs {
  readonly idleDays: number;
  readonly apply: boolean;
  /** Logins that stay, separated by commas. */
  readonly keep?: string;
}

/** At most so many at once: a run makes 200 calls, and each person needs one. */
const most = 150;

export default async function unlicense(ctx: ManualContext<Inputs>) {
  const { idleDays, apply, keep = "" } = ctx.inputs;
  const kept = new Set(keep.split(",").map((login) => login.trim().toLowerCase()));
  const before = new Date(Date.now() - idleDays * 86_400_000).toISOString();

  const idle = (await tableau.users.list({ siteRole: "Viewer", lastLoginBefore: before })).filter((user) => !kept.has(user.name.toLowerCase()));
  const report = idle.map((user) => ({ login: user.name, lastLogin: user.lastLogin ?? "never" }));
  if (!apply) return { note: `${idle.length} Viewers did not sign in for ${idleDays} days. Nothing was changed.`, report };

  const unlicensed: string[] = [];
  for (const user of idle.slice(0, most)) {
    const change = await tableau.users.setSiteRole(user.id, "Unlicensed", { from: "Viewer" });
    if (change.changed) unlicensed.push(user.name);
  }
  const left = idle.length - Math.min(idle.length, most);
  if (left > 0) log.warn(`${left} are left for the next run.`);
  return { note: `${unlicensed.length} Viewers were unlicensed, ${left} are left.`, report, unlicensed };
}
