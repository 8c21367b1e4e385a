// Where a worker's state comes from and goes to: checkpoints, which all ranks make together, and what one generation of a
// rank hands to the next.

import type { Algorithm } from "../algorithms/algorithm.ts";
import type { Collective } from "../allreduce/collective.ts";
import type { RankPlace } from "../run/observe-rank.ts";
import { type CheckpointPlace, writeCheckpoint } from "./checkpoint.ts";
import type { Cursor } from "./cursor.ts";
import { durableState, restoreState } from "./durable-state.ts";
import { readNewestState, writeHandover } from "./handover.ts";

export interface StateKeeperOptions {
  readonly of: RankPlace & CheckpointPlace;
  readonly generation: number;
  readonly algorithm: Algorithm;
  readonly collective: Collective;
  readonly cursor: Cursor;
}

export class StateKeeper {
  readonly #options: StateKeeperOptions;
  /** Of earlier generations: needed until a checkpoint is known to be newer, and that is with the second from here. */
  #handedOver: { readonly generation: number; readonly checkpoints: number } | undefined;
  /** The longest that reading or writing a state has taken. */
  longestMs = 0;

  constructor(options: StateKeeperOptions) {
    this.#options = options;
  }

  /** Of the state as it is made durable. */
  async sizeBytes(): Promise<number> {
    const { shared, own } = await this.#state();
    const arrays = [...Object.values(shared), ...Object.values(own)];
    return arrays.reduce((total, { byteLength }) => total + byteLength, 0);
  }

  /** Takes up the newest state of this rank; leaves all as it is if there is none. */
  async restore(): Promise<void> {
    const { of, algorithm, collective, cursor } = this.#options;
    const expected = await this.#state();
    const state = await this.#timed(() => readNewestState(of, expected));
    if (state === undefined) return;
    restoreState(algorithm, collective, state);
    Object.assign(cursor, state.cursor);
    if (state.handedOverBy !== undefined)
      this.#handedOver = { generation: state.handedOverBy, checkpoints: 0 };
  }

  /** Makes the state at the cursor durable. All ranks do, at the same steps. */
  async checkpoint(): Promise<void> {
    const { of, cursor } = this.#options;
    const state = await this.#state();
    await this.#timed(() => writeCheckpoint(of, state, cursor));
    if (this.#handedOver === undefined) return;
    const { generation, checkpoints } = this.#handedOver;
    this.#handedOver = { generation, checkpoints: checkpoints + 1 };
    if (checkpoints > 0) await this.#forget(generation);
  }

  /** Leaves the state at the cursor for the next generation. */
  async handOver(): Promise<void> {
    const { of, generation, cursor } = this.#options;
    await writeHandover(of, generation, await this.#state(), cursor);
    if (this.#handedOver !== undefined) await this.#forget(this.#handedOver.generation);
  }

  async #forget(generation: number): Promise<void> {
    const { storage, keys, attempt, rank } = this.#options.of;
    await storage.delete([keys.handover(attempt, rank, generation)]);
    this.#handedOver = undefined;
  }

  #state() {
    return durableState(this.#options.algorithm, this.#options.collective);
  }

  async #timed<T>(work: () => Promise<T>): Promise<T> {
    const beganMs = performance.now();
    const result = await work();
    this.longestMs = Math.max(this.longestMs, performance.now() - beganMs);
    return result;
  }
}
