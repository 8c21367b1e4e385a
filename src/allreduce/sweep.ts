// Remembers what this rank wrote, and tells what of it no rank can need any more.

import type { Bucket } from "../shard/layout.ts";
import type { FrameStage } from "../shard/frame.ts";
import { type FrameAddress, frameKey } from "./keys.ts";

interface Rounds {
  readonly buckets: readonly Bucket[];
  readonly sum: FrameStage;
  readonly mean: FrameStage;
}

interface Written {
  readonly rounds: Rounds;
  readonly step: number;
  /** The gradient step that was the newest when the round was opened: its own, unless it carries scalars only. */
  readonly duringStep: number;
}

export class FrameSweeper {
  readonly #runId: string;
  readonly #rank: number;
  #sums: Written[] = [];
  #means: Written[] = [];
  #newestStep = -1;

  constructor(runId: string, rank: number) {
    this.#runId = runId;
    this.#rank = rank;
  }

  opened(rounds: Rounds, step: number): void {
    const scalarsOnly = rounds.sum === "scalar-sum";
    if (!scalarsOnly) this.#newestStep = step;
    const written = { rounds, step, duringStep: this.#newestStep };
    this.#sums.push(written);
    this.#means.push(written);
  }

  /** Keys to delete, each once. See `Collective.sweep`. */
  take(currentStep: number, durableStep: number): string[] {
    const sumIsOld = ({ duringStep }: Written): boolean => duringStep <= currentStep - 2;
    // A checkpoint of step s may have been taken before the scalars that followed s were reduced.
    const meanIsOld = ({ duringStep, step, rounds }: Written): boolean =>
      rounds.sum === "scalar-sum" ? duringStep < durableStep : step <= durableStep;
    const [sums, means] = [this.#sums.filter(sumIsOld), this.#means.filter(meanIsOld)];
    this.#sums = this.#sums.filter((written) => !sumIsOld(written));
    this.#means = this.#means.filter((written) => !meanIsOld(written));
    return [
      ...sums.flatMap(({ rounds, step }) => this.#keys(rounds, rounds.sum, step)),
      ...means.flatMap(({ rounds, step }) => this.#keys(rounds, rounds.mean, step)),
    ];
  }

  /** This rank sent sums of the chunks that it does not own, and means of those that it does. */
  #keys({ buckets, sum }: Rounds, stage: FrameStage, step: number): string[] {
    return buckets.flatMap(({ chunks }, bucket) =>
      chunks.flatMap(({ owner }, chunk) => {
        const address: FrameAddress = { stage, step, bucket, chunk, rank: this.#rank };
        return (owner === this.#rank) === (stage === sum) ? [] : [frameKey(this.#runId, address)];
      }),
    );
  }
}
