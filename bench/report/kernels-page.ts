// The kernel bench as one HTML page: all rows under the roofline, then a table per family with bars that end at the
// limit where a kernel can do no better.

import { formatDuration, formatPercent } from "../../src/units.ts";
import type { BenchReport, BenchRow } from "../kernels/bench-kernels.ts";
import { switchesOf } from "../kernels/table.ts";
import { formatMachine, formatPeak } from "../machine.ts";
import { families, familyOf } from "./families.ts";
import { bar, html, htmlTable, page, trackEnd, type Html, type TableColumn } from "./html.ts";
import { rooflinePlot } from "./roofline-plot.ts";

/** Winograd's effective rates lie above the limit; a bar beyond this is cut. */
const LONGEST_BAR = 2;

export function kernelsPage({ date, commit, machine, peak, rows }: BenchReport): string {
  const facts = [`${date}, commit ${commit}`, formatMachine(machine), formatPeak(peak)];
  const sections = families.map(({ name }, family) => {
    const members = rows.filter(({ op }) => familyOf(op) === family);
    return members.length === 0
      ? ""
      : html`<h2>${name}</h2>
          ${familyTable(members)}`;
  });
  return page("sltrain bench kernels", facts, [
    html`<h2>Roofline</h2>
      ${rooflinePlot(rows, peak)}`,
    legend(),
    ...sections,
  ]);
}

function legend(): Html {
  return html`<h2>Rows</h2>
    <p class="note">
      A bar is the share of the limit: of the best FMA peak, or of the bandwidth of the cache that holds the
      operands, whichever is slower for the row. The line is the limit itself.
    </p>
    <p class="legend">
      <span><i class="compute"></i>bound by arithmetic</span>
      <span><i class="memory"></i>bound by memory</span>
      <span><i class="effective"></i>Winograd: effective rate, of fewer operations</span>
      <span><i class="tick"></i>tf.js</span>
    </p>`;
}

function familyTable(rows: readonly BenchRow[]): Html {
  const end = trackEnd(
    rows.map(({ limitFraction }) => limitFraction),
    LONGEST_BAR,
  );
  const columns: readonly TableColumn<BenchRow>[] = [
    {
      header: "op",
      cell: (row) =>
        html`<span title="${row.kernel}">${[row.op, ...switchesOf(row.params)].join(" ")}</span>`,
    },
    { header: "shape", cell: ({ shape }) => html`<span class="mono">${shape}</span>` },
    { header: "median", align: "right", cell: ({ medianMs }) => formatDuration(medianMs) },
    { header: "spread", align: "right", cell: ({ spread }) => formatPercent(spread) },
    { header: "GFLOP/s", align: "right", cell: ({ gflops }) => gflops.toFixed(1) },
    { header: "GB/s", align: "right", cell: ({ gbPerS }) => gbPerS.toFixed(1) },
    { header: "of limit", align: "bar", cell: (row) => limitBar(row, end) },
    { header: "× tfjs", align: "right", cell: ({ vsTfjs }) => vsTfjs?.toFixed(2) ?? "" },
  ];
  return htmlTable(columns, rows);
}

function limitBar(row: BenchRow, end: number): Html {
  if (!row.correct) return html`<span class="wrong">wrong by ${row.error.toExponential(1)}</span>`;
  return bar({
    share: row.limitFraction,
    end,
    kind: row.effective ? "effective" : row.bound,
    peerShare: row.tfjsMs === null ? undefined : row.limitMs / row.tfjsMs,
    label: formatPercent(row.limitFraction),
  });
}
