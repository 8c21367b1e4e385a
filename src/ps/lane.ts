// One vector of a run that is reduced round after round: its rounds from the oldest that somebody may ask for to the
// newest.

import type { FrameCoder } from "../allreduce/frame-coder.ts";
import { SltrainError } from "../errors.ts";
import type { Codec } from "../shard/codec/codec.ts";
import type { Piece } from "./piece.ts";
import { Round } from "./round.ts";

export interface LaneOptions {
  readonly pieces: readonly Piece[];
  readonly worldSize: number;
  readonly codec: Codec;
  readonly meanCodec: Codec;
  readonly coder: FrameCoder;
  /** Its steps are no training steps. */
  readonly apart: boolean;
}

export class Lane {
  readonly options: LaneOptions;
  readonly #rounds = new Map<number, Round>();
  /** By rank, the newest step of which a frame came: whoever sent it has all means of the steps before. */
  readonly #newest: Int32Array;
  /** The newest step whose means were dropped. */
  #dropped = -1;

  constructor(options: LaneOptions) {
    this.options = options;
    this.#newest = new Int32Array(options.worldSize).fill(-1);
  }

  newestOf(rank: number): number {
    return this.#newest[rank]!;
  }

  /** The round of `step`, opened if it is new; `trainingStep` is the sender's newest. Throws SltrainError "mean-forgotten" if it was and is no longer. */
  round(step: number, trainingStep: number): Round {
    const known = this.#rounds.get(step);
    if (known !== undefined) return known;
    if (step <= this.#dropped) throw this.forgotten(step, this.#dropped);
    const { pieces, worldSize, apart } = this.options;
    const opened = new Round(step, apart ? trainingStep : step, pieces, worldSize);
    this.#rounds.set(step, opened);
    return opened;
  }

  sent(rank: number, step: number): void {
    this.#newest[rank] = Math.max(this.#newest[rank]!, step);
  }

  /** Drops the rounds that all ranks have left behind and that `isOld`; no longer than `until` says, if it is given. */
  drop(isOld: (round: Round) => boolean, until: () => boolean = () => false): void {
    const finished = Math.min(...this.#newest) - 1;
    for (const [step, round] of [...this.#rounds].sort(([a], [b]) => a - b)) {
      if (step > finished || until()) return;
      if (!isOld(round)) continue;
      this.#rounds.delete(step);
      this.#dropped = Math.max(this.#dropped, step);
    }
  }

  get heldBytes(): number {
    return [...this.#rounds.values()].reduce((total, round) => total + round.heldBytes, 0);
  }

  /** Nobody can add to this step any more, and its means were not kept. */
  forgotten(step: number, newest: number): SltrainError {
    return new SltrainError({
      code: "mean-forgotten",
      message: `expected a step after ${newest}, for older means were dropped, but got step ${step}`,
      suggestions: [
        "Start the whole run again from its checkpoint: its ranks are too far apart for one to follow the others.",
        "Give the server more --memory-mib, or make checkpoints more often: it keeps means from one to the next.",
      ],
    });
  }
}
