// The kernel bench as a table for people.

import { styleText } from "node:util";
import type { BenchReport, BenchRow } from "./bench-kernels.ts";
import { formatDuration, formatPercent } from "../../src/units.ts";
import { drawTable } from "../../src/ui/table.ts";
import { formatMachine, formatPeak } from "../machine.ts";

export function benchTable({ machine, peak, rows }: BenchReport): string {
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
  return [...facts, "", drawTable(columns, rows.map(cells)), ...notes].join("\n");
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
