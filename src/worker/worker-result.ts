// What a worker leaves of itself in the run's records when it has ended.

import type { Collective } from "../allreduce/collective.ts";
import { tensorsSha256 } from "../models/safetensors.ts";
import type { WorkerEvent, WorkerResult } from "../run/records.ts";
import type { Equipment } from "./equipment.ts";
import type { Resize } from "./stop-vote.ts";
import type { WorkMeter } from "./work-meter.ts";
import type { WorkerOptions } from "./worker-options.ts";

export interface EndedWork {
  readonly event: WorkerEvent;
  readonly equipment: Equipment;
  readonly collective: Collective;
  readonly meter: WorkMeter;
  readonly ended: WorkerResult["reason"] | Resize;
}

export async function workerResult(
  { invocation, cursor }: WorkerOptions,
  { event: { rank, attempt }, equipment, collective, meter, ended }: EndedWork,
): Promise<WorkerResult> {
  const { stepsPerEpoch } = equipment.schedule;
  const epochsOf = (step: number): number => Math.floor(step / stepsPerEpoch);
  return {
    ...(typeof ended === "object" ? { reason: "resized", ...ended } : { reason: ended }),
    ...{ rank, attempt, steps: cursor.step, epochs: epochsOf(cursor.step) },
    resumedFrom: { steps: cursor.began.step, epochs: epochsOf(cursor.began.step) },
    pid: process.pid,
    endedAt: new Date().toISOString(),
    wallMs: invocation.elapsedMs,
    firstStepMs: cursor.firstStepMs ?? invocation.elapsedMs,
    startupMs: invocation.startup.stagesMs,
    firstLosses: cursor.firstLosses,
    parametersSha256: tensorsSha256(await equipment.replica.tensors()),
    peakMemoryMiB: process.resourceUsage().maxRSS / 1024,
    arenaMiB: equipment.step.arenaBytes / 2 ** 20,
    totals: meter.totals,
    ...(equipment.gpu && { gpu: equipment.gpu }),
    ...(collective.stats.zstd && { compresses: collective.stats.zstd.compresses }),
  };
}
