// The user's side of a run whose functions somebody else keeps: here in this process, or in one of its own, which can be
// killed.

import { spawn } from "node:child_process";
import { tmpdir } from "node:os";
import { text } from "node:stream/consumers";
import { resolveTrainConfig } from "../../src/config/resolve.ts";
import type { Provider } from "../../src/coordinator/provider.ts";
import { attachRun } from "../../src/coordinator/attach-run.ts";
import { train } from "../../src/coordinator/train.ts";
import type { RunSummary } from "../../src/run/records.ts";
import { built } from "../functions/built.ts";

const PROCESS = built("bench/chaos/coordinator-process.ts");

export interface CoordinatorJob {
  readonly runId: string;
  readonly storage: string;
  /** All other settings, by their flags' names. */
  readonly settings: Readonly<Record<string, string | number>>;
  /** URI of what starts functions. */
  readonly functions: string;
}

/** Starts the run and sees it to its end. */
export async function coordinate(job: CoordinatorJob): Promise<RunSummary> {
  const { runId, storage, settings, functions } = job;
  // No setting of this machine's user counts.
  const { config, sources } = await resolveTrainConfig({
    flags: { ...settings, storage, "run-id": runId },
    ...{ env: {}, cwd: tmpdir() },
  });
  const summary = await train({
    ...{ config, sources, sltrainVersion: "chaos", detach: false },
    createProvider: () => standing(functions),
    createMappingProvider: () => standing(functions),
    onEvent: () => undefined,
    signal: new AbortController().signal,
  });
  return summary!;
}

/** Sees a run to its end that another coordinator has started. */
export async function attach({ runId, storage, functions }: CoordinatorJob): Promise<RunSummary> {
  const summary = await attachRun({
    ...{ runId, storageUri: storage, stops: false },
    createProvider: () => standing(functions),
    onEvent: () => undefined,
    leave: new AbortController().signal,
  });
  return summary!;
}

export interface CoordinatorProcess {
  /** Resolves once it has ended, with the run's end if it has lived to see that. */
  readonly ended: Promise<RunSummary | undefined>;
  kill(): void;
}

/** `coordinate` in a process of its own. */
export function startCoordinator(job: CoordinatorJob): CoordinatorProcess {
  const child = spawn(process.execPath, [PROCESS, JSON.stringify(job)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  return {
    ended: text(child.stdout).then((out) => (out === "" ? undefined : (JSON.parse(out) as RunSummary))),
    kill: () => child.kill("SIGKILL"),
  };
}

/** A provider that neither starts nor ends anything. */
function standing(functions: string): Provider {
  return {
    name: "local",
    open: () => Promise.resolve({ functions }),
    async *logs() {
      // Its logs are files that somebody looks into when a run has not survived.
    },
    close: () => Promise.resolve(),
  };
}
