// Groups of ranks in one process over one storage, of any implementation of a collective.

import type { Collective } from "../../src/allreduce/collective.ts";
import type { OnLate } from "../../src/allreduce/frame-coder.ts";
import { framePrefixes } from "../../src/allreduce/keys.ts";
import type { LaneOptions } from "../../src/allreduce/lane.ts";
import type { Layout } from "../../src/shard/layout.ts";
import type { Channel, Storage } from "../../src/storage/storage.ts";
import { collect } from "./collect.ts";
import {
  assertOracle,
  layout,
  type Outcome,
  type Part,
  partOf,
  range,
  type RunOptions,
  runRound,
} from "./round.ts";

export interface CollectiveOptions {
  readonly channel: Channel;
  readonly runId: string;
  readonly rank: number;
  readonly worldSize: number;
  readonly generation: number;
  readonly layout: Layout;
  readonly bucketBytes: number;
  readonly leaseMs?: number;
  readonly onLate?: OnLate;
}

export interface CollectiveImplementation {
  readonly name: string;
  open(options: CollectiveOptions): Promise<Collective>;
  /** How gradients and the scalars of epochs are exchanged. */
  lanes(
    grid: Pick<CollectiveOptions, "layout" | "bucketBytes">,
  ): Readonly<Record<"gradients" | "scalars", LaneOptions>>;
  /** The largest error of a mean, relative to the largest sum behind it. */
  readonly tolerance?: number;
}

/** Buckets of 64, 2048, 64 and 192 values. */
export const grid = { layout, bucketBytes: 256 };

export interface World {
  readonly runId: string;
  readonly storage: Storage;
  readonly worldSize: number;
  readonly ranks: readonly Collective[];
  /** Opens one rank's collective once more. */
  join(rank: number, generation?: number, channel?: Channel): Promise<Collective>;
}

export type Worlds = ReturnType<typeof worldsOf>;

/** `openStorage(name)` gives an empty storage for each name. Each world is a run of its own. */
export function worldsOf(
  implementation: CollectiveImplementation,
  openStorage: (name: string) => Promise<Storage>,
) {
  const lanes = implementation.lanes(grid);
  /** By a sum in one process. */
  const checked = (parts: readonly Part[], outcome: Outcome): void =>
    assertOracle(parts, outcome, implementation.tolerance);
  const keysOf = async ({ storage, runId }: { storage: Storage; runId: string }): Promise<string[]> =>
    (await Promise.all(framePrefixes(runId).map((prefix) => collect(storage.list(prefix))))).flat();
  let runs = 0;
  const world = async (
    worldSize: number,
    wrap: (channel: Channel, rank: number) => Channel = (channel) => channel,
    lateOf: (rank: number) => Pick<CollectiveOptions, "leaseMs" | "onLate"> = () => ({}),
  ): Promise<World> => {
    const runId = `run-${runs++}`;
    const storage = await openStorage("all");
    const join = (rank: number, generation = 0, channel = wrap(storage, rank)) =>
      implementation.open({ channel, runId, rank, worldSize, generation, ...grid, ...lateOf(rank) });
    return {
      runId,
      storage,
      worldSize,
      join,
      ranks: await Promise.all(range(worldSize).map((rank) => join(rank))),
    };
  };
  const runAll = ({ ranks }: World, step: number, options?: RunOptions): Promise<Outcome[]> =>
    Promise.all(ranks.map((rank, r) => runRound(rank, step, partOf(r, step), options)));
  const partsOf = ({ worldSize }: World, step: number): Part[] =>
    range(worldSize).map((rank) => partOf(rank, step));
  return { lanes, checked, keysOf, world, runAll, partsOf };
}
