// Provision User to Tableau
//
// Runs when access is granted. The name of the granted role is the Tableau site
// role to set: there is no mapping. A person who has never signed in to Tableau
// is not on the site, and no account is made for them.

import { type AccessContext, type AccessResult, requireGrant } from "margay";
import { checkSiteRole, findUser, notSignedInYet, rankOf, tableau } from "margay/tableau";

export default async function provision(ctx: AccessContext): Promise<AccessResult> {
  requireGrant(ctx);
  checkSiteRole(ctx.role.name);

  const user = await findUser(ctx);
  if (user === null) throw notSignedInYet(ctx.person.email);

  const stronger = ctx.remaining.find((grant) => grant.role.rank > ctx.role.rank);
  const changed = stronger ? ` Another grant gives ${stronger.role.name}: somebody changed that in Tableau, and it is left alone.` : "";
  const seen = ctx.grant.changedOutside;

  // What is there is read first. A weaker grant neither takes away what a
  // stronger one gives nor puts that back in place of what somebody else set.
  for (let before = user.siteRole; ; ) {
    const asItIs = { role: before, before, changed: false, externalUserId: user.id };

    if (seen !== null && ![seen.found, ctx.role.name, stronger?.role.name].includes(before)) {
      const then = seen.found ?? "nobody";
      return { ...asItIs, note: `No change: it changed again since it was to be restored. The site role was ${then} then and is ${before} now.` };
    }
    if (stronger !== undefined && before === stronger.role.name) {
      const covered = `Another grant gives ${before}, which holds ${ctx.role.name} too.`;
      return { ...asItIs, note: `No change: the site role is ${before} already. ${covered}` };
    }
    if (stronger !== undefined && rankOf(before) >= ctx.role.rank) {
      const holds = before === ctx.role.name ? " already" : `, which holds ${ctx.role.name}`;
      return { ...asItIs, note: `No change: the site role is ${before}${holds}.${changed}` };
    }

    const after = await tableau.users.setSiteRole(user.id, ctx.role.name, { from: before });
    if (after.siteRole === ctx.role.name) {
      return {
        role: after.siteRole,
        before: after.before,
        changed: after.changed,
        externalUserId: user.id,
        note: (after.changed ? `${after.before} → ${after.siteRole}.` : `No change: the site role is ${after.siteRole} already.`) + changed,
      };
    }
    before = after.siteRole; // somebody set another since it was read: it is decided anew
  }
}
