// The bench of training steps as a table for people.

import { styleText } from "node:util";
import { drawTable } from "../../src/ui/table.ts";
import { formatBytes, formatCount, formatDuration, formatPercent } from "../../src/units.ts";
import { formatMachine, formatPeak } from "../machine.ts";
import type { StepsReport, StepsRow } from "./bench-steps.ts";
import type { TorchFacts } from "./peer-steps.ts";

export function stepsTable({ machine, peak, torch, rows, lacking }: StepsReport): string {
  const right = { align: "right" } as const;
  const columns = [
    { header: "model", whole: true },
    { header: "batch", ...right },
    { header: "samples/s", ...right },
    { header: "step", ...right },
    { header: "spread", ...right },
    { header: "GFLOP/s", ...right },
    { header: "of peak", ...right },
    { header: "arena", ...right },
    { header: "tfjs", ...right },
    { header: "× tfjs", ...right },
    { header: "torch", ...right },
    { header: "× torch", ...right },
    { header: "" },
  ];
  const facts = [formatMachine(machine), formatPeak(peak)];
  if (torch) facts.push(formatTorch(torch));
  const table = rows.length === 0 ? "nothing was measured" : drawTable(columns, rows.map(cells));
  const lacks = lacking.map(({ model, message }) => `${model}: ${message}`);
  return [...facts, "", table, ...(lacks.length > 0 ? ["", ...lacks] : [])].join("\n");
}

/** Large models do few samples a second. */
export function formatRate(samplesPerS: number): string {
  return samplesPerS >= 100 ? formatCount(samplesPerS) : samplesPerS.toPrecision(3);
}

export function formatTorch({ torch, threads, blas, oneDnn, gpu, cuda, cudnn }: TorchFacts): string {
  if (gpu !== undefined) return `PyTorch ${torch}, CUDA ${cuda}, cuDNN ${cudnn}, TF32 off, on ${gpu}`;
  return `PyTorch ${torch}, threads ${threads}, ${blas}, oneDNN ${oneDnn ? "on" : "off"}`;
}

function cells(row: StepsRow): string[] {
  const orDash = (value: number | null, format: (value: number) => string) =>
    value === null ? "-" : format(value);
  const ratio = (value: number) => value.toFixed(2);
  return [
    row.model,
    String(row.batchSize),
    formatRate(row.samplesPerS),
    formatDuration(row.medianMs),
    formatPercent(row.spread),
    row.gflops.toFixed(1),
    formatPercent(row.peakFraction),
    formatBytes(row.arenaBytes),
    orDash(row.tfjsSamplesPerS, formatRate),
    orDash(row.vsTfjs, ratio),
    orDash(row.torchSamplesPerS, formatRate),
    orDash(row.vsTorch, ratio),
    row.correct ? "" : styleText("red", `gradients differ by ${row.gradientError!.toExponential(1)}`),
  ];
}
