// What workflows may use. Made by tools/ts/check.mjs --write from the modules themselves: do not change it here.

declare const console: {
  debug(...values: unknown[]): void;
  log(...values: unknown[]): void;
  info(...values: unknown[]): void;
  warn(...values: unknown[]): void;
  error(...values: unknown[]): void;
};

declare module "margay" {
  /** A person in Margay's directory. */
  export interface Person {
      readonly id: string;
      readonly email: string;
      readonly name: string;
  }
  /** A role of an app. Its name is the role's name in the other system. */
  export interface Role {
      readonly id: string;
      readonly name: string;
      /** How strong the system holds the role to be: more is stronger, -1 is unknown. */
      readonly rank: number;
  }
  /** Access that was agreed. Times are ISO 8601, in UTC. */
  export interface Grant {
      readonly id: string;
      readonly role: Role;
      readonly startsAt: string | null;
      readonly endsAt: string | null;
  }
  /** What a workflow of the types access provisioning and access deprovisioning is told. */
  export interface AccessContext {
      readonly run: {
          readonly id: string;
          readonly kind: "provision" | "deprovision";
          readonly attempt: number;
      };
      readonly person: Person;
      readonly requester: Person;
      readonly app: {
          readonly id: string;
          readonly name: string;
          /** What becomes of a person whose revoked role is the one they have. */
          readonly onRevoke: "strongest" | "unlicensed";
      };
      readonly role: Role;
      readonly grant: Grant & {
          /** The id that the other system gave the person when this grant was set up; null before. */
          readonly externalUserId: string | null;
          /** What somebody changed in the other system, and who restores this grant has seen; null otherwise. found is null for nobody there. */
          readonly changedOutside: {
              readonly expected: string;
              readonly found: string | null;
          } | null;
      };
      /** The person's other grants that give their role on the same site, the strongest first. */
      readonly remaining: readonly Grant[];
      readonly request: {
          readonly id: string;
          readonly reason: string;
      };
      /** Why the grant ends; null while it begins. */
      readonly reason: "revoked" | "expired" | null;
  }
  /** What such a workflow returns: the proof that is shown to people. */
  export interface AccessResult {
      /** The role that the person has in the other system now; null when they are not there. */
      readonly role: string | null;
      /** What was done, or why nothing was. */
      readonly note: string;
      readonly changed: boolean;
      /** The id that the other system gives the person. */
      readonly externalUserId?: string | null;
      /**
       * The role that was there before anything was written; null when they were not there. With it Margay notices that somebody
       * changed what the person's other grants give.
       */
      readonly before?: string | null;
  }
  /** Ends the run as failed. The message is shown to people as it is. */
  export class WorkflowError extends Error {
      readonly code: string;
      readonly hint: string;
      constructor(code: string, message: string, hint?: string);
  }
  /** Refuses to run without a grant: somebody started the workflow by hand. */
  export function requireGrant(ctx: AccessContext | null | undefined): asserts ctx is AccessContext;
  /** How long to sleep: the parts are added up. */
  export interface Duration {
      readonly days?: number;
      readonly hours?: number;
      readonly minutes?: number;
      readonly seconds?: number;
  }
  /**
   * Waits, at most 31 days at once. A run that sleeps longer than a moment is put away and goes on at its time, also when
   * Margay was stopped meanwhile; other runs of the same person do not wait for it.
   */
  export function sleep(duration: Duration): Promise<void>;
  /** Lines for the log of the run. */
  export const log: {
      info: (text: string) => void;
      warn: (text: string) => void;
  };
  /** The run that a workflow is part of. */
  export interface RunOf<Kind extends string> {
      readonly id: string;
      readonly kind: Kind;
      readonly attempt: number;
  }
  /** The workflow itself, and the number of the version that runs. */
  export interface ThisWorkflow {
      readonly id: string;
      readonly name: string;
      readonly version: number;
  }
  /** What a manual workflow is told. Inputs are what its JSON schema declares. */
  export interface ManualContext<Inputs = {
      readonly [name: string]: unknown;
  }> {
      readonly run: RunOf<"manual">;
      readonly workflow: ThisWorkflow;
      /** Who started it. */
      readonly person: Person;
      readonly inputs: Inputs;
  }
  /** What a scheduled workflow is told. */
  export interface ScheduledContext {
      readonly run: RunOf<"scheduled">;
      readonly workflow: ThisWorkflow;
      /** When it was to run; it may run later. ISO 8601, in UTC. */
      readonly scheduledFor: string;
  }
  /** What a custom approval workflow is told. */
  export interface ApprovalContext {
      readonly run: RunOf<"approve">;
      readonly person: Person;
      readonly requester: Person;
      readonly app: {
          readonly id: string;
          readonly name: string;
      };
      readonly role: Role;
      readonly request: {
          readonly id: string;
          readonly reason: string;
          /** How long the access is asked for, in seconds; null: without an end. */
          readonly seconds: number | null;
          readonly createdAt: string;
          /** Which step of the policy asks: 1 is the first. */
          readonly step: number;
          /** What was decided in the steps before. */
          readonly approvals: readonly {
              readonly step: number;
              readonly by: string | null;
              readonly reason: string;
          }[];
      };
      readonly policy: {
          readonly id: string;
          readonly name: string;
          readonly version: number;
      };
      /** The person's active grants on the same site, the strongest first. */
      readonly grants: readonly Grant[];
  }
  /**
   * What a custom approval workflow returns: a decision, with the reason that
   * people read, or who shall decide, by e-mail address or id. Anything else
   * fails the run, and nothing is decided.
   */
  export type ApprovalResult = {
      readonly decision: "approve" | "deny";
      readonly reason: string;
  } | {
      readonly approvers: readonly string[];
      readonly reason?: string;
  };
}

declare module "margay/tableau" {
  import { type AccessContext, WorkflowError } from "margay";
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
  export const tableau: {
      /** Makes any call that the PAT's account may make. Sign-in, sign-out and a switch of site are refused. */
      readonly request: (request: TableauRequest | NamedRequest) => Promise<TableauResponse>;
      readonly users: {
          /** Lists the users of the site, by name. */
          readonly list: (filter?: UserFilter) => Promise<TableauUser[]>;
          /**
           * Finds the user whose name, else whose e-mail address, is the given one, without regard to case. Null when there is none;
           * fails when there are several.
           */
          readonly find: (nameOrEmail: string) => Promise<TableauUser | null>;
          /** Reads one user by LUID; null when there is none. */
          readonly get: (id: string) => Promise<TableauUser | null>;
          /** Lists the groups that a user is in. */
          readonly groups: (id: string) => Promise<TableauGroup[]>;
          /**
           * Sets a user's site role and returns what Tableau reports afterwards. A role that is there already is not sent again.
           * With "from" only that role is replaced: when another is there by now, nothing is changed, and that one is returned.
           * Refused before anything is sent: the PAT's own account, site and server administrators, the guest.
           */
          readonly setSiteRole: (id: string, siteRole: string, options?: {
              readonly from?: string;
          }) => Promise<SiteRoleChange>;
      };
      readonly groups: {
          /** Lists the groups of the site, or those of a name. */
          readonly list: (filter?: {
              readonly name?: string;
              readonly limit?: number;
          }) => Promise<TableauGroup[]>;
          /** Lists the users who are in a group. */
          readonly members: (id: string) => Promise<TableauUser[]>;
          /** Puts a user into a group. Who is in it already is not added again. */
          readonly add: (groupId: string, userId: string) => Promise<MembershipChange>;
          /** Takes a user out of a group. Who is not in it stays out. */
          readonly remove: (groupId: string, userId: string) => Promise<MembershipChange>;
      };
      readonly site: {
          /** Reads the site, with the licences that it has and uses. */
          readonly get: () => Promise<TableauSite>;
          /** Reads the licences of one tier; null when Tableau says nothing of it. */
          readonly seats: (tier: Seats["tier"]) => Promise<Seats | null>;
      };
      readonly projects: {
          readonly list: (filter?: {
              readonly limit?: number;
          }) => Promise<TableauProject[]>;
      };
      readonly content: {
          /** Lists the content of one kind, of everybody or of one owner. */
          readonly list: (filter: {
              readonly type: ContentType;
              readonly ownerId?: string;
              readonly limit?: number;
          }) => Promise<TableauContent[]>;
          /** Gives content another owner and returns whose it is afterwards. Nothing is sent when it is theirs already. */
          readonly setOwner: (content: {
              readonly type: ContentType;
              readonly id: string;
          }, ownerId: string) => Promise<OwnerChange>;
          /** Reads how often content was viewed. What Tableau does not know is missing from the answer. */
          readonly usage: (items: readonly ContentRef[]) => Promise<Usage[]>;
      };
      /** Searches the site's content. */
      readonly search: (search: {
          readonly terms?: string;
          readonly types?: readonly string[];
          readonly limit?: number;
      }) => Promise<{
          readonly type: string;
          readonly id: string;
          readonly title: string;
      }[]>;
      readonly collections: {
          readonly list: (filter?: {
              readonly limit?: number;
          }) => Promise<TableauCollection[]>;
          /** Lists what is in a collection. */
          readonly items: (id: string) => Promise<{
              readonly type: string;
              readonly id: string;
              readonly name: string;
          }[]>;
      };
      readonly jobs: {
          readonly get: (id: string) => Promise<TableauJob>;
          /** Waits until a job of Tableau's is done: it looks every 15 seconds, or as often as you say. */
          readonly wait: (id: string, everySeconds?: number) => Promise<TableauJob>;
      };
  };
  /** The site roles that can be granted, the weakest first. Exact and case-sensitive. */
  export const siteRoles: readonly ["Viewer", "Explorer", "ExplorerCanPublish", "Creator", "SiteAdministratorExplorer"];
  /** How strong a site role is, as the rank of a role is: more is stronger, -1 is none that can be granted. */
  export function rankOf(siteRole: string): number;
  /** Refuses a role whose name is no site role, before any call. */
  export function checkSiteRole(name: string): void;
  /** Finds the Tableau user of a grant: by the LUID it was set up for, else by the person's e-mail address. */
  export function findUser(ctx: AccessContext): Promise<TableauUser | null>;
  /** Says that a person has no account on the site yet. */
  export function notSignedInYet(email: string): WorkflowError;
}
