// Approve by seats left
//
// A custom approval workflow: a short request for a Viewer or Explorer licence
// is approved while a tenth of the seats is left. Everything else is for a
// person, whose e-mail address stands below.

import type { ApprovalContext, ApprovalResult } from "margay";
import { type Seats, tableau } from "margay/tableau";

const people = ["bo@acme.example"];
const longest = 30 * 86_400; // seconds

const tiers: Readonly<Record<string, Seats["tier"]>> = { Viewer: "Viewer", Explorer: "Explorer", ExplorerCanPublish: "Explorer" };

export default async function approve(ctx: ApprovalContext): Promise<ApprovalResult> {
  const tier = tiers[ctx.role.name];
  if (tier === undefined) return { approvers: people, reason: `${ctx.role.name} is for a person to decide.` };
  if (ctx.request.seconds === null || ctx.request.seconds > longest) {
    return { approvers: people, reason: "It is asked for longer than 30 days." };
  }
  const seats = await tableau.site.seats(tier);
  if (seats === null || seats.left === null || seats.capacity === null) {
    return { approvers: people, reason: `Tableau does not say how many ${tier} seats are left.` };
  }
  if (seats.left * 10 < seats.capacity) return { approvers: people, reason: `Only ${seats.left} of ${seats.capacity} ${tier} seats are left.` };
  return { decision: "approve", reason: `${seats.left} of ${seats.capacity} ${tier} seats are left.` };
}
