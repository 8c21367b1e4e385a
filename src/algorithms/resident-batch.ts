// A rank's rows on its device, for algorithms whose steps are over all of them: copied there once, not in every pass.

import type { TrainedReplica } from "./algorithm.ts";
import type { Batch, BatchSums } from "./batch.ts";

export class ResidentBatch {
  readonly #replica: TrainedReplica;
  #resident: Batch["x"] | undefined;

  constructor(replica: TrainedReplica) {
    this.#replica = replica;
  }

  /** A training pass over the batch; gradients and statistics are then in the replica's mirrors. Throws as `runTraining`. */
  async run(batch: Batch): Promise<BatchSums> {
    const { lastInstruction } = await this.#replica.training(batch.count);
    const readBacks = (["gradients", "statistics"] as const).flatMap((vector) => {
      const end = this.#replica.mirror(vector).length;
      return end === 0 ? [] : [{ vector, after: lastInstruction, begin: 0, end }];
    });
    // A reader gives other arrays for other rows.
    const sameInputs = this.#resident === batch.x;
    this.#resident = batch.x;
    return this.#replica.runTraining(batch, readBacks, { sameInputs });
  }
}
