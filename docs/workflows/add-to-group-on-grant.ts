// Add to a group on grant
//
// An access provisioning workflow: it sets the site role as the bundled one
// does, and puts the person into the group that is named as the app. The
// counterpart takes them out with tableau.groups.remove.

import { type AccessContext, type AccessResult, requireGrant, WorkflowError } from "margay";
import { checkSiteRole, findUser, notSignedInYet, rankOf, tableau } from "margay/tableau";

export default async function provision(ctx: AccessContext): Promise<AccessResult> {
  requireGrant(ctx);
  checkSiteRole(ctx.role.name);

  const user = await findUser(ctx);
  if (user === null) throw notSignedInYet(ctx.person.email);
  // What somebody changed once more since it was decided to restore is left alone.
  const seen = ctx.grant.changedOutside;
  if (seen !== null && ![seen.found, ctx.role.name].includes(user.siteRole)) {
    return { role: user.siteRole, before: user.siteRole, changed: false, externalUserId: user.id, note: `No change: the site role is ${user.siteRole} now.` };
  }
  const [group] = await tableau.groups.list({ name: ctx.app.name, limit: 1 });
  if (group === undefined) {
    throw new WorkflowError("group_missing", `There is no group ${ctx.app.name} on the site.`, "Make it in Tableau, then retry.");
  }

  // A stronger role stays, whether another grant gives it or somebody set it in
  // Tableau. Only what was read is replaced: what somebody sets meanwhile stays too.
  const weaker = rankOf(user.siteRole) < ctx.role.rank;
  const role = weaker ? await tableau.users.setSiteRole(user.id, ctx.role.name, { from: user.siteRole }) : { before: user.siteRole, siteRole: user.siteRole, changed: false };
  const member = await tableau.groups.add(group.id, user.id);
  return {
    role: role.siteRole,
    before: role.before,
    changed: role.changed || member.changed,
    externalUserId: user.id,
    note: `${role.before} → ${role.siteRole}; ${member.changed ? "added to" : "was in"} the group ${group.name}.`,
  };
}
