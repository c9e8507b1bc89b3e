// The module "margay/tableau": Tableau, for workflows. No credential is in
// sight: Margay signs each call in.

import { type AccessContext, WorkflowError } from "margay";
import { call } from "margay:host";

/** A user of a Tableau site. */
export interface TableauUser {
  /** The user's LUID. */
  readonly id: string;
  readonly name: string;
  readonly fullName: string;
  readonly email: string;
  readonly siteRole: string;
  /** ISO 8601; null for somebody who has never signed in. */
  readonly lastLogin: string | null;
}

/** What became of a user's site role, as Tableau reported it afterwards. */
export interface SiteRoleChange {
  readonly id: string;
  readonly before: string;
  readonly siteRole: string;
  readonly changed: boolean;
}

/** Any call of the Tableau REST API. */
export interface TableauRequest {
  readonly method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /**
   * "/api/-/…" is versionless, "/api/3.24/…" as is, "/…" short for "/api/3.24/…". {siteId} and {userId} stand for the
   * session's site and the PAT's own user.
   */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean>>;
  /** Sent as JSON. */
  readonly body?: unknown;
}

/** What Tableau answered. A status of 4xx or 5xx is an answer too, not an error. */
export interface TableauResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Decoded when it is JSON, else text. */
  readonly body: any;
}

export const tableau = {
  /** Makes any call that the PAT's account may make. */
  request: (request: TableauRequest): Promise<TableauResponse> => call("tableau.request", request),

  users: {
    /**
     * Finds the user whose name, else whose e-mail address, is the given one, without regard to case. Null when there is none;
     * fails when there are several.
     */
    find: (nameOrEmail: string): Promise<TableauUser | null> => call("tableau.users.find", { nameOrEmail }),

    /** Reads one user by LUID; null when there is none. */
    get: (id: string): Promise<TableauUser | null> => call("tableau.users.get", { id }),

    /**
     * Sets a user's site role and returns what Tableau reports afterwards. A role that is there already is not sent again.
     * Refused before anything is sent: the PAT's own account, site and server administrators, the guest.
     */
    setSiteRole: (id: string, siteRole: string): Promise<SiteRoleChange> => call("tableau.users.setSiteRole", { id, siteRole }),
  },
} as const;

/** The site roles that can be granted, the weakest first. Exact and case-sensitive. */
export const siteRoles = ["Viewer", "Explorer", "ExplorerCanPublish", "Creator", "SiteAdministratorExplorer"] as const;

/** Refuses a role whose name is no site role, before any call. */
export function checkSiteRole(name: string): void {
  if (!(siteRoles as readonly string[]).includes(name)) {
    throw new WorkflowError(
      "role_name",
      `${JSON.stringify(name)} is not a site role that can be granted. The role's name must be exactly one of ${siteRoles.join(", ")}.`,
    );
  }
}

/** Finds the Tableau user of a grant: by the LUID it was set up for, else by the person's e-mail address. */
export async function findUser(ctx: AccessContext): Promise<TableauUser | null> {
  if (ctx.grant.externalUserId !== null) return tableau.users.get(ctx.grant.externalUserId);
  return tableau.users.find(ctx.person.email);
}

/** Says that a person has no account on the site yet. */
export function notSignedInYet(email: string): WorkflowError {
  return new WorkflowError(
    "user_missing",
    `${email} has not signed in to Tableau yet. Ask them to sign in to the site once (for example via SSO), then retry.`,
  );
}
