// A twin: made rows with the shape, type, sparsity, class balance and about the difficulty of a real data set, for
// benches and tests without the internet. Row r depends on (twin, seed, split, r) alone: more rows keep the first ones.

import type { Split } from "../dataset.ts";
import type { RowBlock, RowFacts, RowReader } from "../rows.ts";
import { Xoshiro } from "./xoshiro.ts";

export type TwinFacts = Omit<RowFacts, "skippedRecords">;

export interface Twin {
  readonly facts: TwinFacts;
  /** A block takes about a mebibyte. */
  readonly rowsPerBlock: number;
  /** `count` rows, one after the other by the numbers that `random` gives. */
  makeRows(random: Xoshiro, count: number): RowBlock;
}

export interface TwinRows {
  /** Names the stream of random numbers: the twin's name. */
  readonly name: string;
  readonly seed: number;
  readonly split: Split;
  readonly rows: number;
}

export class TwinReader implements RowReader {
  readonly #twin: Twin;
  readonly #wanted: TwinRows;

  constructor(twin: Twin, wanted: TwinRows) {
    this.#twin = twin;
    this.#wanted = wanted;
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- a reader's blocks come asynchronously; these are computed
  async *read(): AsyncGenerator<RowBlock> {
    const { name, seed, split, rows } = this.#wanted;
    const { rowsPerBlock } = this.#twin;
    for (let begin = 0, block = 0; begin < rows; begin += rowsPerBlock, block++) {
      const random = new Xoshiro(seed, `synthetic:${name} ${split}`, block);
      yield this.#twin.makeRows(random, Math.min(rowsPerBlock, rows - begin));
    }
  }

  facts(): RowFacts {
    return { ...this.#twin.facts, skippedRecords: 0 };
  }
}
