// Why a run failed, in words: what a worker left, or what it printed last where it could leave nothing.

import { SltrainError } from "../errors.ts";
import { runKeys } from "../run/keys.ts";
import type { WorkerFailure } from "../run/records.ts";
import { resumeCommand } from "../run/resume-command.ts";
import type { Storage } from "../storage/storage.ts";
import type { Crew } from "../run/crew.ts";
import type { LogLine, Provider } from "./provider.ts";
import { runLogs, type RunLogQuery } from "./run-logs.ts";

const LOG_LINES = 12;

/** These say that a worker is gone, not why. */
const WITHOUT_CAUSE: readonly string[] = ["worker-died", "worker-crashed"];

export interface FailedRun {
  readonly storage: Storage;
  readonly crew: Crew;
  readonly provider: Provider;
  readonly failure: WorkerFailure;
}

/** The error that the user gets. Throws what the storage says if it takes nothing: a full disk takes last words with it. */
export async function workerError({ storage, crew, provider, failure }: FailedRun): Promise<SltrainError> {
  const { rank, step, code, suggestions } = failure;
  const { runId } = crew.manifest;
  // A rank that died again and again is named by whoever counted.
  const message =
    code === "worker-died" ? failure.message : `worker ${rank} at step ${step}: ${failure.message}`;
  if (!WITHOUT_CAUSE.includes(code)) return new SltrainError({ code, message, suggestions });
  const log = await lastLines({ provider, runId, rank, since: new Date(crew.record.at) });
  if (log.length === 0) await probeStorage(storage, runId, `${message} and could leave no word why`);
  const checkpoints = await Array.fromAsync(storage.list(runKeys(runId).checkpoints));
  const resume = resumeCommand(runId, storage.uri);
  return new SltrainError({
    code: "worker-died",
    message: `${message}; its last log lines:\n${log.length > 0 ? log.map((line) => `  ${line}`).join("\n") : "  (none)"}`,
    suggestions: [
      ...remediesFor(log),
      checkpoints.length > 0
        ? `The last checkpoint remains: \`${resume}\` goes on from it.`
        : `There is no checkpoint yet: \`${resume}\` begins again.`,
    ],
  });
}

/** By what Lambda prints of a function that it ended: https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-invocation.html */
const CAUSES: readonly (readonly [words: RegExp, remedy: string])[] = [
  [
    /Task timed out after/,
    "Functions had too little time: use a longer --timeout-s, give them more of a processor (--memory-mib), or use fewer --workers where they share one.",
  ],
  [
    /OutOfMemory|heap out of memory/,
    "Functions had too little memory: use a larger --memory-mib, or a smaller --batch-size.",
  ],
];

/** What would have kept functions alive that printed this. */
export function remediesFor(log: readonly string[]): string[] {
  return CAUSES.filter(([words]) => log.some((line) => words.test(line))).map(([, remedy]) => remedy);
}

/** Of a rank; of all functions if it has printed nothing, for then it did not come as far as its first line. */
export async function lastLines({ rank, ...all }: Omit<RunLogQuery, "follow">): Promise<string[]> {
  const own = rank === undefined ? [] : await tail(runLogs({ ...all, rank }));
  return own.length > 0 ? own : tail(runLogs(all));
}

async function tail(lines: AsyncIterable<LogLine>): Promise<string[]> {
  const last: string[] = [];
  for await (const { text } of lines) {
    if (text.trim() === "") continue;
    last.push(text);
    if (last.length > LOG_LINES) last.shift();
  }
  return last;
}

async function probeStorage(storage: Storage, runId: string, what: string): Promise<void> {
  const key = runKeys(runId).probe;
  try {
    await storage.put(key, [new Uint8Array(64 * 1024)]);
    await storage.delete([key]);
  } catch (cause) {
    if (!(cause instanceof SltrainError)) throw cause;
    const { code, message, suggestions } = cause;
    throw new SltrainError({ code, message: `${what}; ${message}`, suggestions, cause });
  }
}
