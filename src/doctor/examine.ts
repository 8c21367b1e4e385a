// Makes checks side by side, each with a deadline: nothing hangs without a network.

import { SltrainError } from "../errors.ts";
import { formatDuration } from "../units.ts";
import type { Check, Finding, Outcome, Subject, Topic } from "./check.ts";

export interface CheckResult extends Required<Finding> {
  readonly name: string;
  readonly topic: Topic;
}

export interface DoctorReport {
  /** Whether what was asked for can run: nothing that it needs is failing. */
  readonly healthy: boolean;
  /** In the order of the table. */
  readonly checks: readonly CheckResult[];
}

const DEADLINE_MS = 10_000;

export async function examine(checks: readonly Check[], subject: Subject): Promise<DoctorReport> {
  const results = new Map<string, Promise<CheckResult>>();
  for (const check of checks) results.set(check.name, conduct(check, subject, results));
  const found = await Promise.all(results.values());
  const isAsked = (topic: Topic): boolean => topic !== "lambda" || subject.config.provider === "lambda";
  const healthy = found.every(({ outcome, topic }) => outcome !== "failing" || !isAsked(topic));
  return { healthy, checks: found };
}

/** Succeeded well enough for others to build on. */
const SUCCESSES: readonly Outcome[] = ["ok", "warning"];

async function conduct(
  { name, topic, requires = [], deadlineMs = DEADLINE_MS, run }: Check,
  subject: Subject,
  results: ReadonlyMap<string, Promise<CheckResult>>,
): Promise<CheckResult> {
  const told = (finding: Finding): CheckResult => ({ name, topic, remedies: [], ...finding });
  const required = await Promise.all(requires.map((other) => results.get(other)!));
  const lacking = required.find(({ outcome }) => !SUCCESSES.includes(outcome));
  if (lacking) return told({ outcome: "info", found: `not asked without ${lacking.name}` });

  const deadline = Promise.withResolvers<Finding>();
  const timer = setTimeout(() => {
    deadline.resolve({
      outcome: "failing",
      found: `no answer within ${formatDuration(deadlineMs)}`,
      remedies: ["Check the network, and whether a firewall or a proxy is in between."],
    });
  }, deadlineMs);
  try {
    return told(await Promise.race([run(subject), deadline.promise]));
  } catch (error) {
    if (!(error instanceof SltrainError)) throw error;
    return told({ outcome: "failing", found: error.message, remedies: error.suggestions });
  } finally {
    clearTimeout(timer);
  }
}
