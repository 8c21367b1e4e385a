// `sltrain bench exchange`: rounds of a reduce between real processes over a real channel, beside the least time that
// the channel allows and LambdaML's textbook reduce, all in one run. Every mean is checked before its time counts.

import { mkdtemp, rm } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { closeMedium, openMedium, pricesOf } from "../../src/allreduce/medium.ts";
import type { PricedStore } from "../../src/storage/prices.ts";
import type { ChannelProfile } from "../../src/storage/check/measure-channel.ts";
import { withoutCredentials } from "../../src/storage/uri.ts";
import { describeProvenance, type Provenance } from "../machine.ts";
import { type ContenderSpec, TEXTBOOK } from "./contender.ts";
import type { Matrix } from "./matrix.ts";
import { type MeasuredRow, measureRounds } from "./measure-rounds.ts";
import { type RankGroup, startProcesses, startTasks } from "./rank-group.ts";
import { setScene } from "./scene.ts";

export interface ExchangeOptions {
  readonly matrix: Matrix;
  /** URI of a channel; a folder that is removed afterwards if undefined. */
  readonly channel: string | undefined;
  readonly rounds: number;
  readonly bucketBytes: number;
  readonly zstd: ContenderSpec["zstd"];
  /** Whose prices the channel is given. */
  readonly prices: PricedStore | undefined;
  /** Ranks as tasks of this process. */
  readonly tasks: boolean;
  readonly onProgress?: (done: number, total: number, name: string) => void;
}

export interface ExchangeRow extends MeasuredRow {
  /** How many times as fast as the textbook with the same workers and bytes; null where it did not run. */
  readonly vsTextbook: number | null;
}

export interface ExchangeReport extends Provenance {
  readonly machine: { readonly cpu: string; readonly cores: number; readonly node: string };
  /** As one rank alone finds it; of parameter servers the URI only. */
  readonly channel: Partial<ChannelProfile> & { readonly uri: string };
  readonly pricedAs: string | null;
  readonly ranksAre: RankGroup["ranksAre"];
  readonly rows: readonly ExchangeRow[];
}

/** Throws SltrainError "bench-wrong" if ranks end a round with different means, or an exact codec with a wrong one. */
export async function benchExchange(options: ExchangeOptions): Promise<ExchangeReport> {
  const folder = await mkdtemp(join(tmpdir(), "sltrain-exchange-"));
  try {
    const uri = pricedAs(options.channel ?? `fs:${join(folder, "channel")}`, options.prices);
    const opened = await openMedium(uri, process.env);
    const prices = pricesOf(opened);
    await closeMedium(opened);
    const { workers, bytes, contenders } = options.matrix;
    const total = workers.length * bytes.length * contenders.length;
    let alone: ChannelProfile | undefined;
    const rows: MeasuredRow[] = [];
    for (const worldSize of workers) {
      for (const size of bytes) {
        const group = options.tasks ? startTasks(worldSize) : startProcesses(worldSize);
        try {
          const scene = await setScene(group, { uri, folder, bytes: size });
          alone ??= scene.channel?.alone;
          for (const contender of contenders) {
            options.onProgress?.(rows.length, total, nameOf(contender, worldSize, size));
            const spec = {
              ...{ ...contender, elements: scene.elements, bucketBytes: options.bucketBytes },
              ...{ zstd: options.zstd, prices },
            };
            const runId = `${scene.runId}-${rows.length}`;
            rows.push(await measureRounds(group, scene, spec, { runId, rounds: options.rounds, prices }));
          }
          await group.all("leave", () => undefined);
        } finally {
          await group.close();
        }
      }
    }
    return {
      ...describeProvenance(),
      machine: { cpu: cpus()[0]?.model ?? "unknown", cores: cpus().length, node: process.versions.node },
      channel: { uri: withoutCredentials("uri" in opened ? opened.uri : uri), ...alone },
      pricedAs: options.prices ?? (prices === undefined ? null : "the store's own prices"),
      ranksAre: options.tasks ? "tasks" : "processes",
      rows: withTextbookRatios(rows),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The same channel, to whoever opens it a store with such prices: packed objects are for those. */
function pricedAs(uri: string, prices: PricedStore | undefined): string {
  return prices === undefined ? uri : `${uri}${uri.includes("?") ? "&" : "?"}prices=${prices}`;
}

function nameOf(
  { reduce, codec }: { reduce: string; codec: string },
  workers: number,
  bytes: number,
): string {
  return `${reduce} ${codec}, ${workers} workers, ${bytes / 1e6} MB`;
}

function withTextbookRatios(rows: readonly MeasuredRow[]): ExchangeRow[] {
  return rows.map((row) => {
    const textbook = rows.find(
      ({ reduce, workers, bytes }) => reduce === TEXTBOOK && workers === row.workers && bytes === row.bytes,
    );
    return { ...row, vsTextbook: textbook === undefined ? null : textbook.medianMs / row.medianMs };
  });
}
