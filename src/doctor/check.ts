// What a check of `sltrain doctor` is: one thing that a run needs of this machine, its stores or its account.

import type { TrainConfig } from "../config/schema.ts";
import type { AwsAccount } from "./aws/aws-account.ts";

/** "info": neither good nor bad, or not to be known because of another check. */
export type Outcome = "ok" | "info" | "warning" | "failing";

export interface Finding {
  readonly outcome: Outcome;
  readonly found: string;
  /** What the user can do, one sentence each. */
  readonly remedies?: readonly string[];
}

export type Topic = "machine" | "stores" | "lambda";

export interface Subject {
  /** What `sltrain train` would run here. */
  readonly config: DoctoredConfig;
  readonly env: NodeJS.ProcessEnv;
  readonly aws: AwsAccount;
}

type Examined = "provider" | "device" | "adapter" | "functionsPerGpu" | "stack" | "workers" | "memoryMiB";

export interface DoctoredConfig extends Pick<TrainConfig, Examined> {
  /** Absent: the bucket of the stack. */
  readonly storage: string | undefined;
  /** Absent: the storage, or what the stack has for it. */
  readonly channel: string | undefined;
}

export interface Check {
  /** One of its own. */
  readonly name: string;
  /** Failing, it matters only where functions of this kind were asked for; machine and stores always are. */
  readonly topic: Topic;
  /** Names of checks before it in the table, without whose success this one is not made. */
  readonly requires?: readonly string[];
  /** Default 10 s. */
  readonly deadlineMs?: number;
  /** What it throws as a SltrainError is failing, with its suggestions. */
  readonly run: (subject: Subject) => Finding | Promise<Finding>;
}
