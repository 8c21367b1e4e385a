// The kernel bench as a table for people.

import { styleText } from "node:util";
import type { BenchReport, BenchRow, SkippedCase } from "./bench-kernels.ts";
import { formatDuration, formatPercent } from "../../src/units.ts";
import { drawTable } from "../../src/ui/table.ts";
import { formatMachine, formatPeak } from "../machine.ts";

export function benchTable({ machine, peak, rows, skipped }: BenchReport): string {
  const right = { align: "right" } as const;
  const columns = [
    { header: "op" },
    { header: "shape", whole: true },
    { header: "kernel" },
    { header: "median", ...right },
    { header: "spread", ...right },
    { header: "GFLOP/s", ...right },
    { header: "of peak", ...right },
    { header: "GB/s", ...right },
    { header: "of limit", ...right },
    { header: "bound by" },
    { header: "× tfjs", ...right },
    { header: "" },
  ];
  const facts = [formatMachine(machine), formatPeak(peak)];
  const notes = rows.some(({ effective }) => effective)
    ? ["", "* effective: the op's own operations over the time; the kernel (Winograd's) does fewer"]
    : [];
  const table = rows.length === 0 ? "nothing was measured" : drawTable(columns, rows.map(cells));
  return [...facts, "", table, ...notes, ...skippedLines(skipped)].join("\n");
}

const WHY: Readonly<Record<SkippedCase["why"], string>> = {
  "no-kernel": "no kernel on this device",
  "too-long": "left out, for it would take long on a software adapter",
  failed: "failed",
};

/** A line for each op and reason. */
function skippedLines(skipped: readonly SkippedCase[]): string[] {
  const lines = Object.entries(
    Object.groupBy(skipped, ({ op, why, message }) =>
      why === "failed" ? `${op}: failed: ${message.split("\n")[0]}` : `${op}: ${WHY[why]}`,
    ),
  ).map(([line, cases]) => `${line} (${cases!.length} ${cases!.length === 1 ? "shape" : "shapes"})`);
  return lines.length === 0 ? [] : ["", ...lines];
}

function cells(row: BenchRow): string[] {
  return [
    [row.op, ...switchesOf(row.params)].join(" "),
    row.shape,
    row.kernel,
    formatDuration(row.medianMs),
    formatPercent(row.spread),
    `${row.gflops.toFixed(1)}${row.effective ? "*" : ""}`,
    formatPercent(row.peakFraction),
    row.gbPerS.toFixed(1),
    formatPercent(row.limitFraction),
    row.bound,
    row.vsTfjs === null ? "-" : row.vsTfjs.toFixed(2),
    row.correct ? "" : styleText("red", `wrong by ${row.error.toExponential(1)}`),
  ];
}

/** What is switched on in the op's params: `transposeA`, `nesterov`. */
export function switchesOf(params: object): string[] {
  return Object.entries(params).flatMap(([name, value]) => (value === true ? [name] : []));
}
