// The bench of exchanges as one HTML page: times against the channel's bound and the textbook, then what rounds cost.

import { formatDuration, formatPercent, formatUsd } from "../../src/units.ts";
import type { ExchangeReport, ExchangeRow } from "../exchange/bench-exchange.ts";
import {
  exchangeFacts,
  formatMegabytes,
  formatProfile,
  formatRequests,
  formatResult,
} from "../exchange/table.ts";
import { TEXTBOOK } from "../exchange/contender.ts";
import { bar, html, htmlTable, page, trackEnd, type Html, type TableColumn } from "./html.ts";

/** Bars of more times the bound are cut. */
const LONGEST_BAR = 12;

export function exchangePage(report: ExchangeReport): string {
  const { date, commit, rows } = report;
  const scenes = Map.groupBy(rows, ({ workers, bytes }) => `${workers} workers, ${formatMegabytes(bytes)}`);
  return page(
    "sltrain bench exchange",
    [`${date}, commit ${commit}`, ...exchangeFacts(report)],
    [
      html`<h2>Rounds</h2>
        <p class="note">
          From a common start to the end of the slowest rank. A bar is the median over the least time that the
          channel allows: by the latency and bandwidth that it gave each rank while all of them put and read
          objects as large as a round's. The line is that bound.
        </p>
        <p class="legend">
          <span><i class="compute"></i>exact</span>
          <span><i class="effective"></i>a codec that rounds</span>
          <span><i class="memory"></i>textbook: W² objects, listed until they are there</span>
        </p>`,
      ...[...scenes].map(([name, members]) => sceneSection(name, members)),
      html`<h2>Requests, bytes and dollars</h2>
        <p class="note">Of all ranks together in one round.</p>
        ${costTable(rows)}`,
    ],
  );
}

function sceneSection(name: string, rows: readonly ExchangeRow[]): Html {
  const end = trackEnd(
    rows.map(({ boundRatio }) => boundRatio ?? 0),
    LONGEST_BAR,
  );
  const columns: readonly TableColumn<ExchangeRow>[] = [
    { header: "reduce", cell: ({ reduce }) => reduce },
    { header: "codec", cell: ({ codec }) => codec },
    { header: "median", align: "right", cell: ({ medianMs }) => formatDuration(medianMs) },
    { header: "spread", align: "right", cell: ({ spread }) => formatPercent(spread) },
    {
      header: "bound",
      align: "right",
      cell: ({ boundMs }) => (boundMs === null ? "" : formatDuration(boundMs)),
    },
    {
      header: "× bound",
      align: "bar",
      cell: (row) =>
        row.boundRatio === null
          ? ""
          : bar({ share: row.boundRatio, end, kind: kindOf(row), label: `${row.boundRatio.toFixed(2)} ×` }),
    },
    { header: "× textbook", align: "right", cell: ({ vsTextbook }) => vsTextbook?.toFixed(2) ?? "" },
    { header: "result", align: "right", cell: formatResult },
  ];
  const { rankProfile } = rows[0]!;
  return html`<h2>${name}</h2>
    ${rankProfile === null ? "" : html`<p class="note">Each rank ${formatProfile(rankProfile)} while all do.</p>`}
    ${htmlTable(columns, rows)}`;
}

function kindOf({ reduce, exact }: ExchangeRow): string {
  return reduce === TEXTBOOK ? "memory" : exact ? "compute" : "effective";
}

function costTable(rows: readonly ExchangeRow[]): Html {
  const requests = (kind: keyof ExchangeRow["requests"]): TableColumn<ExchangeRow> => ({
    header: kind,
    align: "right",
    cell: (row) => formatRequests(row.requests[kind]),
  });
  return htmlTable<ExchangeRow>(
    [
      { header: "workers", align: "right", cell: ({ workers }) => workers },
      { header: "size", align: "right", cell: ({ bytes }) => formatMegabytes(bytes) },
      { header: "reduce", cell: ({ reduce }) => reduce },
      { header: "codec", cell: ({ codec }) => codec },
      ...(["put", "get", "list", "delete"] as const).map(requests),
      {
        header: "predicted put + get",
        align: "right",
        cell: ({ predictedRequests: predicted }) =>
          predicted === null ? "" : `${predicted.put} + ${predicted.get}`,
      },
      { header: "up", align: "right", cell: ({ bytesUp }) => formatMegabytes(bytesUp) },
      { header: "down", align: "right", cell: ({ bytesDown }) => formatMegabytes(bytesDown) },
      { header: "cost", align: "right", cell: ({ costUsd }) => (costUsd === null ? "" : formatUsd(costUsd)) },
    ],
    rows,
  );
}
