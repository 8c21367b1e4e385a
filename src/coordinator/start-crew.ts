// Makes a run's next crew and starts it. Who starts whom is the run's `orchestration`: the coordinator each worker
// (Cirrus 2019, section 4), or one starter function that starts them all (LambdaML 2021, section 3.1).

import { parseDeadline } from "../config/deadline.ts";
import type { TrainConfig } from "../config/schema.ts";
import { SltrainError } from "../errors.ts";
import type { RunCost } from "../plan/run-cost.ts";
import { type Attempt, claimAttempt, newestAttempt } from "../run/attempts.ts";
import { runKeys } from "../run/keys.ts";
import { appendMembers } from "../run/membership.ts";
import type { RunManifest } from "../run/records.ts";
import { startWorkers } from "../run/start-workers.ts";
import type { Storage } from "../storage/storage.ts";
import { formatUsd } from "../units.ts";
import { type Crew, crewEvent } from "../run/crew.ts";
import type { ProvidedRun } from "./provider.ts";
import type { RunFunctions } from "./run-functions.ts";

export interface StartCrewOptions {
  readonly storage: Storage;
  readonly functions: RunFunctions;
  readonly run: ProvidedRun;
  readonly manifest: RunManifest;
  readonly attempt: number;
  readonly workers: number;
  readonly framesOf?: number | undefined;
  readonly before: RunCost;
  readonly limits: CrewLimits;
  readonly startedAt: Date;
}

type CrewLimits = Pick<Attempt, "budgetUsd" | "deadlineAt">;

/** The crew that trains the run from now on: this one, or one that somebody else has started at the same time. */
export async function startCrew(options: StartCrewOptions): Promise<Crew> {
  const { storage, functions, run, manifest, attempt, workers, framesOf, before, limits, startedAt } =
    options;
  const record: Attempt = {
    at: startedAt.toISOString(),
    ...{ storage: run.storage, channel: run.channel, functions: await functions.uri() },
    ...{ workers, before, ...limits, ...(framesOf === undefined ? {} : { framesOf }) },
  };
  const crew: Crew = { manifest, attempt, record };
  if (!(await claimAttempt(storage, manifest.runId, crew))) {
    return { manifest, ...((await newestAttempt(storage, manifest.runId)) ?? crew) };
  }
  if (attempt === 0) await appendMembers(storage, runKeys(manifest.runId), { fromStep: 0, workers });
  const event = { ...crewEvent(manifest, crew), kind: "starter", ranks: [0, workers] } as const;
  if (manifest.config.orchestration === "starter") await functions.invoke(event);
  else await startWorkers({ storage, functions, event, by: "coordinator" });
  return crew;
}

/**
 * Until when, and for how much, a crew may train: of a resumed run what is given now, else what was given first. Throws
 * "budget-spent" or "deadline-past" where it could not train a step.
 */
export function crewLimits(
  given: TrainConfig,
  { config }: RunManifest,
  before: RunCost,
  startedAt: Date,
): CrewLimits {
  const budgetUsd = given.budgetUsd ?? config.budgetUsd;
  const deadline = given.deadline ?? config.deadline;
  if (budgetUsd !== undefined && before.total >= budgetUsd) {
    throw new SltrainError({
      code: "budget-spent",
      message: `--budget-usd: expected more than the ${formatUsd(before.total)} that the run has cost, got ${formatUsd(budgetUsd)}`,
      suggestions: ["Resume it with a larger --budget-usd."],
    });
  }
  const deadlineAt = deadline === undefined ? undefined : parseDeadline(deadline, startedAt);
  if (deadlineAt && deadlineAt <= startedAt) {
    throw new SltrainError({
      code: "deadline-past",
      message: `--deadline: expected a time to come, got ${deadlineAt.toISOString()}`,
      suggestions: ["Give a later time, or a duration such as 90m."],
    });
  }
  return {
    ...(budgetUsd === undefined ? {} : { budgetUsd }),
    ...(deadlineAt === undefined ? {} : { deadlineAt: deadlineAt.toISOString() }),
  };
}
