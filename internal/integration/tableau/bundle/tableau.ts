// The module "margay/tableau": Tableau, for workflows. No credential is in
// sight: Margay signs each call in.

import { type AccessContext, sleep, WorkflowError } from "margay";
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
  /** True in a test run: nothing was sent. */
  readonly heldBack?: boolean;
}

/** Which users to list; what is left out does not restrict. */
export interface UserFilter {
  readonly siteRole?: string;
  /** ISO 8601: only those whose last sign-in was before that, or who have never signed in. */
  readonly lastLoginBefore?: string;
  /** At most so many; without it a list of more than 10,000 is an error. */
  readonly limit?: number;
}

/** A group of Tableau users. */
export interface TableauGroup {
  readonly id: string;
  readonly name: string;
  readonly domain: string;
  /** The site role that its members are given when they sign in. */
  readonly minimumSiteRole: string | null;
  /** How many are in it; null when Tableau did not say. */
  readonly users: number | null;
}

/** What became of a user's place in a group. */
export interface MembershipChange {
  readonly groupId: string;
  readonly userId: string;
  readonly member: boolean;
  readonly changed: boolean;
  readonly heldBack?: boolean;
}

/** The licences of one tier of a site. */
export interface Seats {
  readonly tier: "Creator" | "Explorer" | "Viewer";
  /** Null when the site has no limit of its own, or Tableau did not say. */
  readonly capacity: number | null;
  readonly used: number | null;
  readonly left: number | null;
}

/** The site of the connection. */
export interface TableauSite {
  readonly id: string;
  readonly name: string;
  readonly contentUrl: string;
  readonly users: number | null;
  readonly storageMb: number | null;
  readonly seats: readonly Seats[];
}

export interface TableauProject {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly parentId: string | null;
  readonly ownerId: string;
}

/** The kinds of content that have an owner. */
export type ContentType = "workbook" | "datasource" | "flow" | "project";

/** Content by its id. */
export interface ContentRef {
  readonly type: string;
  readonly id: string;
}

export interface TableauContent {
  readonly type: ContentType;
  readonly id: string;
  readonly name: string;
  readonly ownerId: string;
  /** The project it is in; null when it is in none. */
  readonly projectId: string | null;
  /** ISO 8601. */
  readonly updatedAt: string | null;
}

/** What became of the owner of content. */
export interface OwnerChange {
  readonly id: string;
  readonly name: string;
  readonly before: string;
  readonly ownerId: string;
  readonly changed: boolean;
  readonly heldBack?: boolean;
}

/** How often content was viewed. */
export interface Usage {
  readonly type: string;
  readonly id: string;
  readonly total: number;
  readonly lastTwoWeeks: number;
  readonly lastMonth: number;
  readonly lastThreeMonths: number;
  readonly lastTwelveMonths: number;
}

export interface TableauCollection {
  readonly id: string;
  readonly name: string;
  readonly owner: string;
  readonly items: number | null;
}

/** Work that Tableau does on its own time. */
export interface TableauJob {
  readonly id: string;
  readonly type: string;
  readonly done: boolean;
  readonly succeeded: boolean;
  /** Percent. */
  readonly progress: number | null;
  readonly notes: readonly string[];
}

/** A call of the Tableau REST API by the name that its reference gives it, such as "query-group-sets". */
export interface NamedRequest {
  readonly name: string;
  /** The parameters of its path. */
  readonly params?: Readonly<Record<string, string | number | boolean>>;
  readonly query?: Readonly<Record<string, string | number | boolean>>;
  /** Sent as JSON. */
  readonly body?: unknown;
}

/** Any call of the Tableau REST API, by its path. */
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
  readonly heldBack?: boolean;
}

export const tableau = {
  /** Makes any call that the PAT's account may make. Sign-in, sign-out and a switch of site are refused. */
  request: (request: TableauRequest | NamedRequest): Promise<TableauResponse> => call("tableau.request", request),

  users: {
    /** Lists the users of the site, by name. */
    list: (filter: UserFilter = {}): Promise<TableauUser[]> => call("tableau.users.list", filter),

    /**
     * Finds the user whose name, else whose e-mail address, is the given one, without regard to case. Null when there is none;
     * fails when there are several.
     */
    find: (nameOrEmail: string): Promise<TableauUser | null> => call("tableau.users.find", { nameOrEmail }),

    /** Reads one user by LUID; null when there is none. */
    get: (id: string): Promise<TableauUser | null> => call("tableau.users.get", { id }),

    /** Lists the groups that a user is in. */
    groups: (id: string): Promise<TableauGroup[]> => call("tableau.users.groups", { id }),

    /**
     * Sets a user's site role and returns what Tableau reports afterwards. A role that is there already is not sent again.
     * With "from" only that role is replaced: when another is there by now, nothing is changed, and that one is returned.
     * Refused before anything is sent: the PAT's own account, site and server administrators, the guest.
     */
    setSiteRole: (id: string, siteRole: string, options: { readonly from?: string } = {}): Promise<SiteRoleChange> =>
      call("tableau.users.setSiteRole", { id, siteRole, from: options.from }),
  },

  groups: {
    /** Lists the groups of the site, or those of a name. */
    list: (filter: { readonly name?: string; readonly limit?: number } = {}): Promise<TableauGroup[]> => call("tableau.groups.list", filter),

    /** Lists the users who are in a group. */
    members: (id: string): Promise<TableauUser[]> => call("tableau.groups.members", { id }),

    /** Puts a user into a group. Who is in it already is not added again. */
    add: (groupId: string, userId: string): Promise<MembershipChange> => call("tableau.groups.add", { groupId, userId }),

    /** Takes a user out of a group. Who is not in it stays out. */
    remove: (groupId: string, userId: string): Promise<MembershipChange> => call("tableau.groups.remove", { groupId, userId }),
  },

  site: {
    /** Reads the site, with the licences that it has and uses. */
    get: (): Promise<TableauSite> => call("tableau.site.get", {}),

    /** Reads the licences of one tier; null when Tableau says nothing of it. */
    seats: async (tier: Seats["tier"]): Promise<Seats | null> => {
      const site = await tableau.site.get();
      return site.seats.find((seats) => seats.tier === tier) ?? null;
    },
  },

  projects: {
    list: (filter: { readonly limit?: number } = {}): Promise<TableauProject[]> => call("tableau.projects.list", filter),
  },

  content: {
    /** Lists the content of one kind, of everybody or of one owner. */
    list: (filter: { readonly type: ContentType; readonly ownerId?: string; readonly limit?: number }): Promise<TableauContent[]> =>
      call("tableau.content.list", filter),

    /** Gives content another owner and returns whose it is afterwards. Nothing is sent when it is theirs already. */
    setOwner: (content: { readonly type: ContentType; readonly id: string }, ownerId: string): Promise<OwnerChange> =>
      call("tableau.content.setOwner", { type: content.type, id: content.id, ownerId }),

    /** Reads how often content was viewed. What Tableau does not know is missing from the answer. */
    usage: (items: readonly ContentRef[]): Promise<Usage[]> =>
      call("tableau.content.usage", { items: items.map((item) => ({ type: item.type, id: item.id })) }),
  },

  /** Searches the site's content. */
  search: (search: { readonly terms?: string; readonly types?: readonly string[]; readonly limit?: number }): Promise<
    { readonly type: string; readonly id: string; readonly title: string }[]
  > => call("tableau.search", search),

  collections: {
    list: (filter: { readonly limit?: number } = {}): Promise<TableauCollection[]> => call("tableau.collections.list", filter),

    /** Lists what is in a collection. */
    items: (id: string): Promise<{ readonly type: string; readonly id: string; readonly name: string }[]> =>
      call("tableau.collections.items", { id }),
  },

  jobs: {
    get: (id: string): Promise<TableauJob> => call("tableau.jobs.get", { id }),

    /** Waits until a job of Tableau's is done: it looks every 15 seconds, or as often as you say. */
    wait: async (id: string, everySeconds = 15): Promise<TableauJob> => {
      for (;;) {
        const job = await tableau.jobs.get(id);
        if (job.done) return job;
        await sleep({ seconds: everySeconds });
      }
    },
  },
} as const;

/** The site roles that can be granted, the weakest first. Exact and case-sensitive. */
export const siteRoles = ["Viewer", "Explorer", "ExplorerCanPublish", "Creator", "SiteAdministratorExplorer"] as const;

/** How strong a site role is, as the rank of a role is: more is stronger, -1 is none that can be granted. */
export function rankOf(siteRole: string): number {
  return (siteRoles as readonly string[]).indexOf(siteRole);
}

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
    "No user of the site has this name or e-mail address. If they have signed in already, the address is mistyped here or is another one in Tableau: " +
      "compare it with the users of the site, and have an administrator add the person with the address that they have there.",
  );
}
