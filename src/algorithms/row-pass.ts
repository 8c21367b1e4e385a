// A training pass over all of a rank's rows, part by part, for algorithms whose steps are over them: sums in f64, in the order
// of the parts. Parts that stay on the device are copied there once, not in every pass.

import type { TrainedReplica } from "./algorithm.ts";
import type { Batch, BatchSums } from "./batch.ts";
import type { OwnRows } from "./own-rows.ts";

/** Over all of the rank's rows. */
export interface RowSums extends BatchSums {
  /** As the replica's vectors lie; valid until the next pass. */
  readonly gradients: Float64Array;
  readonly statistics: Float64Array;
}

export class RowPass {
  readonly #replica: TrainedReplica;
  readonly #gradients: Float64Array;
  readonly #statistics: Float64Array;
  /** By part: what lies on the device. */
  readonly #resident: Batch[] = [];

  constructor(replica: TrainedReplica) {
    this.#replica = replica;
    this.#gradients = new Float64Array(replica.parameters.length);
    this.#statistics = new Float64Array(replica.statistics.length);
  }

  /** With the replica's parameters. Throws as `runTraining` and `OwnRows.read` do. */
  async run(rows: OwnRows, step: number): Promise<RowSums> {
    const sums = {
      loss: 0,
      correct: 0,
      gradients: this.#gradients.fill(0),
      statistics: this.#statistics.fill(0),
    };
    for (let part = 0; part < rows.parts; part++) {
      const { loss, correct } = await this.#runPart(rows, part, step);
      sums.loss += loss;
      sums.correct += correct;
      add(sums.gradients, this.#replica.mirror("gradients"));
      add(sums.statistics, this.#replica.mirror("statistics"));
    }
    return sums;
  }

  async #runPart(rows: OwnRows, part: number, step: number): Promise<BatchSums> {
    const resident = this.#resident[part];
    const batch = resident ?? (await rows.read(part, step));
    const inputs = rows.stays ? part : 0;
    const { lastInstruction } = await this.#replica.training(batch.count, { inputs });
    const readBacks = (["gradients", "statistics"] as const).flatMap((vector) => {
      const end = this.#replica.mirror(vector).length;
      return end === 0 ? [] : [{ vector, after: lastInstruction, begin: 0, end }];
    });
    const sameInputs = resident !== undefined;
    const sums = await this.#replica.runTraining({ ...batch, step }, readBacks, { sameInputs, inputs });
    if (rows.stays) this.#resident[part] = batch;
    return sums;
  }
}

function add(to: Float64Array, values: Float32Array): void {
  for (let i = 0; i < to.length; i++) to[i]! += values[i]!;
}
