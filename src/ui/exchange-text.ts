// What a run's workers exchange, how and when, in one line: "ga-sgd: bf16 by tree every step".

import { reduceThrough } from "../allreduce/parameter-servers.ts";
import { parseSync } from "../allreduce/sync.ts";
import type { TrainConfig } from "../config/schema.ts";
import { formatCount } from "../units.ts";

type Exchange = Pick<TrainConfig, "sync" | "compress" | "reduce" | "channel"> & {
  readonly algorithm: string;
  /** null where every step exchanges. */
  readonly syncEvery: TrainConfig["syncEvery"] | null;
};

export function exchangeText(exchange: Exchange): string {
  return `${exchange.algorithm}: ${exchange.compress} ${travels(exchange)}`;
}

function travels({ algorithm, sync, syncEvery, reduce, channel }: Exchange): string {
  const { staleness } = parseSync(sync);
  if (staleness !== undefined) {
    return `from each to all${staleness === Infinity ? "" : `, at most ${steps(staleness)} apart`}`;
  }
  const by = `by ${reduceThrough(channel, reduce)}`;
  if (algorithm === "ga-sgd" || syncEvery === null) return `${by} every step`;
  return `${by} ${syncEvery === "epoch" ? "once an epoch" : `every ${steps(syncEvery)}`}`;
}

function steps(count: number): string {
  return `${formatCount(count)} step${count === 1 ? "" : "s"}`;
}
