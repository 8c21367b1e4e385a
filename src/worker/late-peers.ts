// What a worker does about peers that are late: it starts who is dead, and rank 0 a copy of who is slow.

import type { OnLate } from "../allreduce/frame-coder.ts";
import { exchangeSteps } from "../config/exchange-steps.ts";
import { newestAttempt } from "../run/attempts.ts";
import { ranksAreReplaceable } from "../run/crew.ts";
import { startNextCrew } from "../run/next-crew.ts";
import type { WorkerEvent } from "../run/records.ts";
import { Rescue } from "./rescue.ts";
import { Speculation } from "./speculation.ts";
import type { WorkerOptions } from "./worker-options.ts";

export interface Watch {
  /** With the generation that the worker acts as. */
  readonly event: WorkerEvent;
  readonly stepsPerEpoch: number;
  /** By the invocation's clock. */
  readonly startMs: number;
  /** Told where the worker waits in vain. */
  readonly onVain: (reason: unknown) => void;
}

export class LatePeers {
  readonly #options: WorkerOptions;
  #rescue: Rescue | undefined;
  #speculation: Speculation | undefined;

  constructor(options: WorkerOptions) {
    this.#options = options;
  }

  /** Told by the exchange, which is there before the watch. */
  readonly tell: OnLate = (ranks, lateness) =>
    lateness === "slow" ? this.#speculation?.slow(ranks) : this.#rescue?.late(ranks);

  watch({ event, stepsPerEpoch, startMs, onVain }: Watch): void {
    const { manifest, storage, functions, cursor } = this.#options;
    const { config, frames } = manifest;
    const crew = { storage, functions, event, worldSize: config.workers };
    const pace = { leaseMs: config.leaseMs, startMs, step: () => cursor.step };
    this.#rescue = new Rescue({
      ...{ ...crew, ...pace, maxRestarts: config.maxRestarts },
      hasWaited: () => cursor.stall.lives > 0 && cursor.stall.step === cursor.step,
      // Out of lockstep, only an epoch's end holds all together.
      exchangeSteps: frames.staleness === null ? exchangeSteps(config, stepsPerEpoch) : stepsPerEpoch,
      startCrew: ranksAreReplaceable(manifest) ? undefined : () => takeOver(this.#options),
      onVain,
    });
    if (config.speculate === "on" && event.rank === 0 && functions !== undefined)
      this.#speculation = new Speculation({ ...crew, ...pace, functions });
  }

  async close(): Promise<void> {
    await this.#speculation?.close();
    await this.#rescue?.close();
  }
}

/** In place of this worker's crew, unless another one has taken over already. */
async function takeOver({ storage, functions, manifest, event }: WorkerOptions): Promise<void> {
  const newest = await newestAttempt(storage, manifest.runId);
  if (functions === undefined || newest?.attempt !== event.attempt) return;
  await startNextCrew({ storage, functions, crew: { manifest, ...newest }, by: String(event.rank) });
}
