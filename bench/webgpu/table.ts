// The report of a GPU for people.

import { drawTable } from "../../src/ui/table.ts";
import { formatDuration, formatPercent } from "../../src/units.ts";
import { formatMachine, formatPeak } from "../machine.ts";
import { formatRate, formatTorch } from "../steps/table.ts";
import type { KernelRow } from "./kernels.ts";
import type { MatrixPeak } from "./matrix-peak.ts";
import { goalsOf, type GpuReport } from "./report.ts";

const right = { align: "right" } as const;

export function gpuTable(report: GpuReport): string {
  const { machine, peak, torch, products, convolutions, steps, memory, processStarts, failures } = report;
  const facts = [formatMachine(machine)];
  if (peak) facts.push(formatPeak(peak));
  if (torch) facts.push(formatTorch(torch));
  const parts = [facts.join("\n")];
  const { halfProducts, halfConvolutions } = report;
  const kernels = [products, halfProducts, convolutions, halfConvolutions].flatMap((rows) => rows ?? []);
  if (kernels.length > 0) parts.push(kernelTable(kernels));
  if (report.matrixPeaks !== undefined) parts.push(matrixLines(report.matrixPeaks));
  if (steps !== undefined && steps.rows.length > 0)
    parts.push(
      drawTable(
        [
          { header: "model", whole: true },
          { header: "batch", ...right },
          { header: "steps/s", ...right },
          { header: "samples/s", ...right },
          { header: "GFLOP/s", ...right },
          { header: "× tfjs", ...right },
          { header: "× torch", ...right },
        ],
        steps.rows.map(({ model, batchSize, medianMs, samplesPerS, gflops, vsTfjs, vsTorch }) => [
          model,
          String(batchSize),
          (1000 / medianMs).toFixed(1),
          formatRate(samplesPerS),
          gflops.toFixed(1),
          vsTfjs?.toFixed(2) ?? "-",
          vsTorch?.toFixed(2) ?? "-",
        ]),
      ),
    );
  if (processStarts)
    parts.push(
      `${processStarts.starts} process starts: ${processStarts.clean} clean, median ${formatDuration(processStarts.medianMs)}, ` +
        `longest ${formatDuration(processStarts.maxMs)}`,
    );
  if (memory)
    parts.push(
      `memory over ${memory.steps} steps in ${memory.seconds} s: ${memory.firstMiB.toFixed(0)} -> ${memory.lastMiB.toFixed(0)} MiB, ` +
        `${memory.growthMiBPerHour.toFixed(1)} MiB an hour over the last two thirds; GPU ${memory.gpuFirstMiB ?? "-"} -> ${memory.gpuLastMiB ?? "-"} MiB`,
    );
  parts.push(goalTable(report));
  const lacking = (steps?.lacking ?? []).map(({ model, message }) => `${model}: ${message}`);
  const failed = failures.map(({ section, message }) => `${section} failed: ${message}`);
  if (lacking.length + failed.length > 0) parts.push([...lacking, ...failed].join("\n"));
  return parts.join("\n\n");
}

function kernelTable(rows: readonly KernelRow[]): string {
  const columns = [
    { header: "op" },
    { header: "shape", whole: true },
    { header: "kernel" },
    { header: "median", ...right },
    { header: "GFLOP/s", ...right },
    { header: "of peak", ...right },
    { header: "torch GFLOP/s", ...right },
    { header: "" },
  ];
  return drawTable(
    columns,
    rows.map((row) => [
      row.op,
      row.shape,
      row.kernel ?? "-",
      row.medianMs === null ? "-" : formatDuration(row.medianMs),
      row.gflops?.toFixed(1) ?? "-",
      row.peakFraction === null ? "-" : formatPercent(row.peakFraction),
      row.torchGflops?.toFixed(1) ?? "-",
      row.error?.split("\n")[0] ?? (row.correct ? "" : "wrong"),
    ]),
  );
}

function matrixLines(peaks: readonly MatrixPeak[]): string {
  if (peaks.length === 0) return "subgroup matrices: none on this adapter";
  const lines = peaks.map(
    ({ componentType, resultType, M, N, K, tflops }) =>
      `  ${M}x${N}x${K} ${componentType} -> ${resultType}: ${tflops.toFixed(1)} TFLOP/s`,
  );
  return ["subgroup matrices, peak:", ...lines].join("\n");
}

function goalTable(report: GpuReport): string {
  const judged = { true: "met", false: "missed", null: "not judged" } as const;
  const columns = [
    { header: "goal", whole: true },
    { header: "want" },
    { header: "got", ...right },
    { header: "" },
  ];
  const rows = goalsOf(report).map(({ what, want, got, met }) => [
    what,
    want,
    got === null ? "-" : String(Number(got.toPrecision(3))),
    judged[`${met}`],
  ]);
  return rows.length === 0 ? "no goal was measured" : drawTable(columns, rows);
}
