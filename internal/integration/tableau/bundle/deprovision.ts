// Deprovision User from Tableau
//
// Runs when access is revoked or its time is over. Only a site role that is the
// one of the ended grant is taken back, so that a stale or secondary grant does
// not strip access that is still held. The user is never deleted.

import { type AccessContext, type AccessResult, requireGrant } from "margay";
import { checkSiteRole, findUser, tableau } from "margay/tableau";

export default async function deprovision(ctx: AccessContext): Promise<AccessResult> {
  requireGrant(ctx);
  checkSiteRole(ctx.role.name);

  const user = await findUser(ctx);
  if (user === null) {
    return { role: null, before: null, changed: false, note: `${ctx.person.email} is not on the site: there is nothing to take back.` };
  }
  const externalUserId = user.id;
  const leave = (siteRole: string): AccessResult => ({
    role: siteRole,
    before: siteRole,
    changed: false,
    externalUserId,
    note: `No change: the current site role is ${siteRole}, not ${ctx.role.name}.`,
  });
  if (user.siteRole !== ctx.role.name) return leave(user.siteRole);

  // What another grant still gives stays; with none left, the licence is freed.
  // A role of no rank is none of Tableau's: it belongs to workflows of another kind.
  const next = ctx.app.onRevoke === "unlicensed" ? undefined : ctx.remaining.find((grant) => grant.role.rank >= 0);
  const role = next?.role.name ?? "Unlicensed";
  const after = await tableau.users.setSiteRole(user.id, role, { from: ctx.role.name });
  if (after.siteRole !== role) return leave(after.siteRole); // somebody set another since it was read
  const because = next ? ` Another grant still gives ${next.role.name}.` : "";
  return {
    role,
    before: after.before,
    changed: after.changed,
    externalUserId,
    note: (after.changed ? `${after.before} → ${role}.` : `No change: the site role is ${role}.`) + because,
  };
}
