// `sltrain bench trees`: the merge trees of Feng et al., "Exploring serverless computing for neural network training",
// IEEE CLOUD 2018, section III-C, predicted and measured: the paper's closed form at every depth at which it still
// lowers the latency, the exact optima of the same depths, and the flat tree. Ranks are tasks of one process over an
// emulated channel, for a hundred processes do not fit a small machine: what is measured is the channel's waiting, and
// the real engine's.

import { closedFormLayers, exactLayers, mergeLatencyTm } from "../../src/allreduce/patterns/merge-layers.ts";
import { tree } from "../../src/allreduce/patterns/tree.ts";
import { drawTable } from "../../src/ui/table.ts";
import { formatDuration } from "../../src/units.ts";
import { benchExchange, type ExchangeReport, type ExchangeRow } from "./bench-exchange.ts";
import { criticalPathMs, type SharedChannel } from "./bound.ts";
import { formatMegabytes } from "./table.ts";

export interface TreesOptions {
  readonly workers: number;
  /** Of the gradient. */
  readonly bytes: number;
  /** Of the emulated channel: of each request, and of each rank's own link, in 10^6 bytes a second. */
  readonly latencyMs: number;
  readonly linkMBs: number;
  readonly rounds: number;
  readonly onProgress?: (done: number, total: number, name: string) => void;
}

export interface TreeRow {
  /** From the root to the workers, as in the paper. */
  readonly layers: readonly number[];
  readonly mergers: number;
  /** The paper's prediction: the sum of the largest fan-ins. */
  readonly latencyTm: number;
  /** The same in milliseconds, at the time in which one gradient passes the emulated link. */
  readonly mergeMs: number;
  /** With what the paper leaves out: latency of every hop, puts, and the mean on its way back (bound.ts). */
  readonly predictedMs: number;
  readonly medianMs: number;
  readonly spread: number;
  readonly requests: ExchangeRow["requests"];
}

export interface TreesReport extends Omit<ExchangeReport, "rows" | "pricedAs"> {
  readonly workers: number;
  readonly bytes: number;
  readonly tmMs: number;
  readonly rows: readonly TreeRow[];
}

const VALUE_BYTES = Float32Array.BYTES_PER_ELEMENT;
/** Beyond it the closed form gains nothing for 1,000 workers. */
const MOST_MERGER_LAYERS = 5;

/** Each structure once, the flat one first; one worker more than the flat tree's root is the least. */
export function treesOf(workers: number): readonly (readonly number[])[] {
  const depths = Array.from({ length: MOST_MERGER_LAYERS + 1 }, (_, depth) => depth);
  const all = depths.flatMap((depth) => [closedFormLayers(workers, depth), exactLayers(workers, depth)]);
  return [...new Map(all.map((layers) => [layers.join(), layers])).values()];
}

export async function benchTrees(options: TreesOptions): Promise<TreesReport> {
  const { workers, bytes, latencyMs, linkMBs, rounds, onProgress } = options;
  const trees = treesOf(workers);
  const report = await benchExchange({
    matrix: {
      workers: [workers],
      bytes: [bytes],
      contenders: trees.map((layers) => ({ reduce: `tree:${layers.join(",")}`, codec: "f32" })),
    },
    channel: `memory:trees-${process.pid}?latencyMs=${latencyMs}&upMBs=${linkMBs}&downMBs=${linkMBs}`,
    ...{ rounds, prices: undefined, tasks: true },
    // The paper's functions merge whole gradients.
    bucketBytes: bytes,
    zstd: "off",
    ...(onProgress && { onProgress }),
  });
  const tmMs = bytes / linkMBs / 1e3;
  const link: SharedChannel = {
    alone: { parallelUpMBs: linkMBs, parallelDownMBs: linkMBs },
    together: {
      ...{ putLatencyMs: latencyMs, getLatencyMs: latencyMs },
      ...{ upMBs: linkMBs, downMBs: linkMBs, overlap: 0.5 },
    },
  };
  const { date, commit, machine, channel, ranksAre } = report;
  return {
    ...{ date, commit, machine, channel, ranksAre, workers, bytes, tmMs },
    rows: report.rows.map(({ medianMs, spread, requests }, i) => {
      const layers = trees[i]!;
      const plan = tree(layers).plan({ begin: 0, end: bytes / VALUE_BYTES }, workers, 0);
      const latencyTm = mergeLatencyTm(layers);
      return {
        layers,
        mergers: layers.slice(0, -1).reduce((total, count) => total + count, 0),
        ...{
          latencyTm,
          mergeMs: latencyTm * tmMs,
          predictedMs: criticalPathMs([plan], link, VALUE_BYTES),
        },
        ...{ medianMs, spread, requests },
      };
    }),
  };
}

export function treesTable({ machine, channel, workers, bytes, tmMs, rows }: TreesReport): string {
  const right = { align: "right" } as const;
  const facts = [
    `${workers} workers as tasks of one process on ${machine.cpu}, Node ${machine.node}; gradients of ${formatMegabytes(bytes)}`,
    `${channel.uri}: a gradient passes a link in t_m = ${formatDuration(tmMs)}`,
  ];
  const columns = [
    { header: "layers", whole: true },
    { header: "mergers", ...right },
    { header: "t_m", ...right },
    { header: "merging", ...right },
    { header: "predicted", ...right },
    { header: "measured", ...right },
    { header: "measured / predicted", ...right },
    { header: "× flat", ...right },
  ];
  const cells = (row: TreeRow): string[] => [
    row.layers.join(" "),
    String(row.mergers),
    String(row.latencyTm),
    formatDuration(row.mergeMs),
    formatDuration(row.predictedMs),
    formatDuration(row.medianMs),
    (row.medianMs / row.predictedMs).toFixed(2),
    (rows[0]!.medianMs / row.medianMs).toFixed(2),
  ];
  return [...facts, "", drawTable(columns, rows.map(cells))].join("\n");
}
