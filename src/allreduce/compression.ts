// How a run's gradients travel, by what users write: a codec of chunks, or PowerSGD, which is a collective of its own.

import type { Codec } from "../shard/codec/codec.ts";
import { codecNames, parseCodec } from "../shard/codec/codecs.ts";
import { f32 } from "../shard/codec/f32.ts";
import type { RequestPrices } from "../storage/prices.ts";
import type { Collective } from "./collective.ts";
import type { LaneOptions } from "./lane.ts";
import { collectiveLanes, type CollectiveOptions, openCollective } from "./open-collective.ts";
import { openPowerSgd, powerSgdLanes } from "./powersgd.ts";
import { type Traffic, traffic } from "./traffic.ts";

export interface Compression {
  /** Of all that is not factored. */
  readonly codec: Codec;
  /** Rank-1 terms of each matrix; absent without PowerSGD. */
  readonly powerSgdTerms?: number;
}

const MAX_TERMS = 64;

export const compressionNames: readonly string[] = [...codecNames, "powersgd:2"];

/** What `parseCodec` takes, and `powersgd:TERMS`. Throws SltrainError "codec-invalid". */
export function parseCompression(spec: string): Compression {
  const [, digits] = /^powersgd:(\d+)$/.exec(spec) ?? [];
  const powerSgdTerms = Number(digits);
  if (powerSgdTerms >= 1 && powerSgdTerms <= MAX_TERMS) return { codec: f32, powerSgdTerms };
  return { codec: parseCodec(spec, compressionNames) };
}

export type CompressedOptions = Omit<CollectiveOptions, "codec"> & { readonly compression: Compression };

/** Throws as `openCollective` does. */
export function openCompressed({ compression, ...options }: CompressedOptions): Promise<Collective> {
  const { codec, powerSgdTerms: terms } = compression;
  return terms === undefined ? openCollective({ ...options, codec }) : openPowerSgd({ ...options, terms });
}

type Grid = Pick<CompressedOptions, "layout" | "statistics" | "bucketBytes" | "reduce" | "compression">;

/** The lanes of a round of gradients, and that of the scalars of epochs. */
function lanesOf(
  { compression: { codec, powerSgdTerms: terms }, ...grid }: Grid,
  prices: RequestPrices | undefined,
): { readonly rounds: readonly LaneOptions[]; readonly scalars: LaneOptions } {
  if (terms === undefined) {
    const { gradients, statistics, scalars } = collectiveLanes({ ...grid, codec }, prices);
    return { rounds: statistics === undefined ? [gradients] : [gradients, statistics], scalars };
  }
  const { p, q, scalars } = powerSgdLanes({ ...grid, terms }, prices);
  return { rounds: [p, q], scalars };
}

export interface CompressedTraffic {
  /** Of one exchange of gradients. */
  readonly round: Traffic;
  /** Of the scalars of one epoch. */
  readonly scalars: Traffic;
}

/** See `traffic`. */
export function compressedTraffic(
  grid: Grid,
  prices: RequestPrices | undefined,
  { worldSize, scalarCount = 0 }: { readonly worldSize: number; readonly scalarCount?: number },
): CompressedTraffic {
  const { rounds, scalars } = lanesOf(grid, prices);
  const of = (lane: LaneOptions): Traffic =>
    traffic({ worldSize, scalarCount, ...lane, ...(prices === undefined ? {} : { prices }) });
  return { round: rounds.map(of).reduce(added), scalars: of(scalars) };
}

function added(a: Traffic, b: Traffic): Traffic {
  return {
    puts: a.puts + b.puts,
    gets: a.gets + b.gets,
    bytesUp: a.bytesUp + b.bytesUp,
    meanBytesUp: a.meanBytesUp + b.meanBytesUp,
    bytesDown: a.bytesDown + b.bytesDown,
    usd: a.usd + b.usd,
  };
}
