// The bench of exchanges as a table for people.

import { styleText } from "node:util";
import { drawTable } from "../../src/ui/table.ts";
import { formatDuration, formatPercent, formatUsd } from "../../src/units.ts";
import type { ChannelProfile } from "../../src/storage/check/measure-channel.ts";
import type { RankProfile } from "./rank-profile.ts";
import type { ExchangeReport, ExchangeRow } from "./bench-exchange.ts";

export function exchangeTable(report: ExchangeReport): string {
  const right = { align: "right" } as const;
  const columns = [
    { header: "reduce", whole: true },
    { header: "codec", whole: true },
    { header: "workers", ...right },
    { header: "size", ...right },
    { header: "median", ...right },
    { header: "spread", ...right },
    { header: "bound", ...right },
    { header: "× bound", ...right },
    { header: "× textbook", ...right },
    { header: "put", ...right },
    { header: "get", ...right },
    { header: "list", ...right },
    { header: "up", ...right },
    { header: "down", ...right },
    { header: "cost", ...right },
    { header: "result" },
  ];
  return [...exchangeFacts(report), "", drawTable(columns, report.rows.map(cells))].join("\n");
}

/** What the figures were taken on. */
export function exchangeFacts({ machine, channel, pricedAs, ranksAre }: ExchangeReport): string[] {
  const { cpu, cores, node } = machine;
  return [
    `${cpu}, ${cores} cores, Node ${node}; ranks are ${
      ranksAre === "processes"
        ? "processes of this machine"
        : "tasks of one process: only the channel's latency is real"
    }`,
    "upMBs" in channel
      ? `${channel.uri}: one rank alone ${formatProfile(channel as ChannelProfile)}`
      : channel.uri,
    "Requests, bytes and cost are those of all ranks in one round" +
      (pricedAs === null
        ? "."
        : `, at ${pricedAs === "the store's own prices" ? pricedAs : `${pricedAs}'s prices`}.`),
  ];
}

export function formatProfile({
  putLatencyMs,
  getLatencyMs,
  upMBs,
  downMBs,
}: Omit<RankProfile, "overlap">): string {
  return (
    `puts in ${formatDuration(putLatencyMs)} and ${upMBs.toFixed(0)} MB/s, ` +
    `gets in ${formatDuration(getLatencyMs)} and ${downMBs.toFixed(0)} MB/s`
  );
}

export const formatMegabytes = (bytes: number): string =>
  bytes >= 1e5
    ? `${(bytes / 1e6).toFixed(1)} MB`
    : bytes >= 1e3
      ? `${(bytes / 1e3).toFixed(1)} kB`
      : `${bytes.toFixed(0)} B`;

/** Polls make a round's mean no whole number. */
export const formatRequests = (requests: number): string =>
  Number.isInteger(requests) ? String(requests) : requests.toFixed(1);

export function formatResult({ exact, relativeError }: ExchangeRow): string {
  return exact ? "exact" : `within ${relativeError.toExponential(1)}`;
}

function cells(row: ExchangeRow): string[] {
  const { requests } = row;
  return [
    row.reduce,
    row.codec,
    String(row.workers),
    formatMegabytes(row.bytes),
    formatDuration(row.medianMs),
    formatPercent(row.spread),
    row.boundMs === null ? "-" : formatDuration(row.boundMs),
    row.boundRatio?.toFixed(2) ?? "-",
    row.vsTextbook?.toFixed(2) ?? "-",
    formatRequests(requests.put),
    formatRequests(requests.get),
    formatRequests(requests.list),
    formatMegabytes(row.bytesUp),
    formatMegabytes(row.bytesDown),
    row.costUsd === null ? "-" : formatUsd(row.costUsd),
    styleText(row.exact ? "green" : "dim", formatResult(row)),
  ];
}
