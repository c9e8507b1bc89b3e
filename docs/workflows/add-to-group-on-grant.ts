// Add to a group on grant
//
// An access provisioning workflow: it sets the site role as the bundled one
// does, and puts the person into the group that is named as the app. The
// counterpart takes them out with tableau.groups.remove.

import { type AccessContext, type AccessResult, requireGrant, WorkflowError } from "margay";
import { checkSiteRole, findUser, notSignedInYet, tableau } from "margay/tableau";

export default async function provision(ctx: AccessContext): Promise<AccessResult> {
  requireGrant(ctx);
  checkSiteRole(ctx.role.name);

  const user = await findUser(ctx);
  if (user === null) throw notSignedInYet(ctx.person.email);
  const [group] = await tableau.groups.list({ name: ctx.app.name, limit: 1 });
  if (group === undefined) {
    throw new WorkflowError("group_missing", `There is no group ${ctx.app.name} on the site.`, "Make it in Tableau, then retry.");
  }

  const stronger = ctx.remaining.find((grant) => grant.role.rank > ctx.role.rank);
  const role = await tableau.users.setSiteRole(user.id, stronger?.role.name ?? ctx.role.name);
  const member = await tableau.groups.add(group.id, user.id);
  return {
    role: role.siteRole,
    changed: role.changed || member.changed,
    externalUserId: user.id,
    note: `${role.before} → ${role.siteRole}; ${member.changed ? "added to" : "was in"} the group ${group.name}.`,
  };
}
