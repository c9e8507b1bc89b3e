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
  if (user.siteRole !== ctx.role.name) {
    return {
      role: user.siteRole,
      before: user.siteRole,
      changed: false,
      externalUserId: user.id,
      note: `No change: the current site role is ${user.siteRole}, not ${ctx.role.name}.`,
    };
  }

  // What another grant still gives stays; with none left, the licence is freed.
  // A role of no rank is none of Tableau's: it belongs to workflows of another kind.
  const next = ctx.app.onRevoke === "unlicensed" ? undefined : ctx.remaining.find((grant) => grant.role.rank >= 0);
  const after = await tableau.users.setSiteRole(user.id, next?.role.name ?? "Unlicensed");
  const because = next ? ` Another grant still gives ${next.role.name}.` : "";
  return {
    role: after.siteRole,
    before: after.before,
    changed: after.changed,
    externalUserId: user.id,
    note: (after.changed ? `${after.before} → ${after.siteRole}.` : `No change: the site role is ${after.siteRole}.`) + because,
  };
}
