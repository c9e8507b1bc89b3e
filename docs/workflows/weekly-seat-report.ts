// Weekly seat report
//
// A scheduled workflow, for each Monday at 7: how many licences of each tier are
// used, and which people pay for one without having signed in for 90 days.

import { log, type ScheduledContext } from "margay";
import { tableau } from "margay/tableau";

const tiers: Readonly<Record<string, string>> = {
  Creator: "Creator",
  SiteAdministratorCreator: "Creator",
  Explorer: "Explorer",
  ExplorerCanPublish: "Explorer",
  SiteAdministratorExplorer: "Explorer",
  Viewer: "Viewer",
};

export default async function report(ctx: ScheduledContext) {
  const site = await tableau.site.get();
  const before = new Date(Date.parse(ctx.scheduledFor) - 90 * 86_400_000).toISOString();
  const idle = await tableau.users.list({ lastLoginBefore: before });

  const rows = site.seats.map((seats) => ({
    tier: seats.tier,
    used: seats.used,
    capacity: seats.capacity,
    idle: idle.filter((user) => tiers[user.siteRole] === seats.tier).map((user) => user.name),
  }));
  for (const row of rows) {
    log.info(`${row.tier}: ${row.used ?? "?"} of ${row.capacity ?? "unlimited"}, ${row.idle.length} idle`);
  }
  const full = rows.filter((row) => row.used !== null && row.capacity !== null && row.used >= row.capacity).map((row) => row.tier);
  return { note: full.length > 0 ? `No seat is left of ${full.join(" and ")}.` : "There are seats left.", site: site.name, rows };
}
