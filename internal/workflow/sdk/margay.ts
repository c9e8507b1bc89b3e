// The module "margay": what every workflow is told, and how it says that it
// cannot go on.

import { call, log as write } from "margay:host";

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
  readonly run: { readonly id: string; readonly kind: "provision" | "deprovision"; readonly attempt: number };
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
    readonly changedOutside: { readonly expected: string; readonly found: string | null } | null;
  };
  /** The person's other grants that give their role on the same site, the strongest first. */
  readonly remaining: readonly Grant[];
  readonly request: { readonly id: string; readonly reason: string };
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

  constructor(code: string, message: string, hint = "") {
    super(message);
    this.name = "WorkflowError";
    this.code = code;
    this.hint = hint;
  }
}

/** Refuses to run without a grant: somebody started the workflow by hand. */
export function requireGrant(ctx: AccessContext | null | undefined): asserts ctx is AccessContext {
  if (!ctx?.grant) {
    throw new WorkflowError("no_grant", "This workflow runs when access is granted or revoked; it was started without a grant.");
  }
}

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
export async function sleep(duration: Duration): Promise<void> {
  const { days = 0, hours = 0, minutes = 0, seconds = 0 } = duration;
  await call("margay.sleep", { ms: Math.round((((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000) });
}

/** Lines for the log of the run. */
export const log = {
  info: (text: string): void => write("info", text),
  warn: (text: string): void => write("warn", text),
};

// What workflows of the other types are told, and what they return.

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
export interface ManualContext<Inputs = { readonly [name: string]: unknown }> {
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
  readonly app: { readonly id: string; readonly name: string };
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
    readonly approvals: readonly { readonly step: number; readonly by: string | null; readonly reason: string }[];
  };
  readonly policy: { readonly id: string; readonly name: string; readonly version: number };
  /** The person's active grants on the same site, the strongest first. */
  readonly grants: readonly Grant[];
}

/**
 * What a custom approval workflow returns: a decision, with the reason that
 * people read, or who shall decide, by e-mail address or id. Anything else
 * fails the run, and nothing is decided.
 */
export type ApprovalResult =
  | { readonly decision: "approve" | "deny"; readonly reason: string }
  | { readonly approvers: readonly string[]; readonly reason?: string };
