// The bench of training steps as one HTML page: bars against the FMA peak, and against the peers.

import { formatBytes, formatDuration, formatPercent } from "../../src/units.ts";
import { formatMachine, formatPeak } from "../machine.ts";
import type { StepsReport, StepsRow } from "../steps/bench-steps.ts";
import { formatRate, formatTorch } from "../steps/table.ts";
import { bar, html, htmlTable, page, trackEnd, type HtmlValue, type TableColumn } from "./html.ts";

const LONGEST_BAR = 1e3;

export function stepsPage({ date, commit, machine, peak, torch, rows }: StepsReport): string {
  const facts = [`${date}, commit ${commit}`, formatMachine(machine), formatPeak(peak)];
  if (torch) facts.push(formatTorch(torch));
  const peakEnd = trackEnd(
    rows.map(({ peakFraction }) => peakFraction),
    LONGEST_BAR,
  );
  const columns: readonly TableColumn<StepsRow>[] = [
    { header: "model", cell: ({ model }) => model },
    { header: "batch", align: "right", cell: ({ batchSize }) => batchSize },
    { header: "threads", align: "right", cell: ({ threads }) => threads },
    { header: "samples/s", align: "right", cell: ({ samplesPerS }) => formatRate(samplesPerS) },
    { header: "step", align: "right", cell: ({ medianMs }) => formatDuration(medianMs) },
    { header: "spread", align: "right", cell: ({ spread }) => formatPercent(spread) },
    { header: "arena", align: "right", cell: ({ arenaBytes }) => formatBytes(arenaBytes) },
    { header: "GFLOP/s", align: "right", cell: ({ gflops }) => gflops.toFixed(1) },
    {
      header: "of the best FMA peak",
      align: "bar",
      cell: ({ peakFraction: share }) =>
        bar({ share, end: peakEnd, kind: "compute", label: formatPercent(share) }),
    },
  ];
  const sections = [
    html`<p class="note">
        A step is forward, backward and SGD update on a batch that lies in memory. All contenders took turns,
        round by round.
      </p>
      <h2>Steps</h2>
      ${htmlTable(columns, rows)}`,
    peerSection("PyTorch", rows, ({ torchSamplesPerS, vsTorch }) => [torchSamplesPerS, vsTorch]),
    peerSection("tf.js on its wasm backend", rows, ({ tfjsSamplesPerS, vsTfjs }) => [
      tfjsSamplesPerS,
      vsTfjs,
    ]),
  ];
  return page("sltrain bench steps", facts, sections);
}

/** `figuresOf`: the peer's samples/s, and how many times as fast sltrain is. */
function peerSection(
  peer: string,
  rows: readonly StepsRow[],
  figuresOf: (row: StepsRow) => readonly [samplesPerS: number | null, ratio: number | null],
): HtmlValue {
  const compared = rows.flatMap((row) => {
    const [samplesPerS, ratio] = figuresOf(row);
    return samplesPerS === null || ratio === null ? [] : [{ row, samplesPerS, ratio }];
  });
  if (compared.length === 0) return "";
  const end = trackEnd(
    compared.map(({ ratio }) => ratio),
    LONGEST_BAR,
  );
  const columns: readonly TableColumn<(typeof compared)[number]>[] = [
    { header: "model", cell: ({ row }) => row.model },
    { header: "sltrain, samples/s", align: "right", cell: ({ row }) => formatRate(row.samplesPerS) },
    { header: `${peer}, samples/s`, align: "right", cell: ({ samplesPerS }) => formatRate(samplesPerS) },
    {
      header: "times as fast",
      align: "bar",
      cell: ({ ratio }) => bar({ share: ratio, end, kind: "compute", label: `${ratio.toFixed(2)} ×` }),
    },
  ];
  return html`<h2>Against ${peer}</h2>
    ${htmlTable(columns, compared)}`;
}
