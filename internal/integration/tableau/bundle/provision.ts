// Provision User to Tableau
//
// Runs when access is granted. The name of the granted role is the Tableau site
// role to set: there is no mapping. A person who has never signed in to Tableau
// is not on the site, and no account is made for them.

import { type AccessContext, type AccessResult, requireGrant } from "margay";
import { checkSiteRole, findUser, notSignedInYet, tableau } from "margay/tableau";

export default async function provision(ctx: AccessContext): Promise<AccessResult> {
  requireGrant(ctx);
  checkSiteRole(ctx.role.name);

  const user = await findUser(ctx);
  if (user === null) throw notSignedInYet(ctx.person.email);

  // A grant of a weaker role must not take away what a stronger one gives.
  const stronger = ctx.remaining.find((grant) => grant.role.rank > ctx.role.rank);
  const wanted = stronger?.role.name ?? ctx.role.name;

  const after = await tableau.users.setSiteRole(user.id, wanted);
  const covered = stronger ? ` Another grant gives ${wanted}, which holds ${ctx.role.name} too.` : "";
  return {
    role: after.siteRole,
    changed: after.changed,
    externalUserId: user.id,
    note: (after.changed ? `${after.before} → ${after.siteRole}.` : `No change: the site role is ${after.siteRole} already.`) + covered,
  };
}
