// What `storage check` found, for people.

import { styleText } from "node:util";
import type { ProbeResult, StorageCheck } from "../storage/check/check-storage.ts";
import { formatBytes, formatCount, formatDuration, formatUsd } from "../units.ts";
import { drawTable } from "./table.ts";

const OUTCOME_COLORS = { works: "green", missing: "yellow", failed: "red" } as const;

export function storageCheckView(check: StorageCheck): string {
  const sections = [
    probeTable(check.probes),
    ...(check.profile ? [profileTable(check)] : []),
    verdict(check),
  ];
  return sections.join("\n\n");
}

function probeTable(results: readonly ProbeResult[]): string {
  const rows = results.map(({ name, outcome, without, error }) => [
    name,
    styleText(OUTCOME_COLORS[outcome], outcome),
    error?.message ?? (outcome === "missing" ? without : ""),
  ]);
  return drawTable(
    [{ header: "needed", whole: true }, { header: "outcome", whole: true }, { header: "" }],
    rows,
  );
}

function profileTable({ profile, thousandPutsUsd, thousandGetsUsd, clockSkewMs }: StorageCheck): string {
  const { parallel, valueBytes, ...p } = profile!;
  const rate = (mbPerS: number): string =>
    `${mbPerS >= 100 ? formatCount(mbPerS) : mbPerS.toPrecision(3)} MB/s`;
  const price = (usd: number | null): string => (usd === null ? "free" : formatUsd(usd));
  const rows = [
    ["latency, median", formatDuration(p.putLatencyMs), formatDuration(p.getLatencyMs)],
    ["latency, 90 of 100 below", formatDuration(p.putLatencyP90Ms), formatDuration(p.getLatencyP90Ms)],
    [`${formatBytes(valueBytes)} at a time`, rate(p.upMBs), rate(p.downMBs)],
    [`${parallel} of them at once`, rate(p.parallelUpMBs), rate(p.parallelDownMBs)],
    ["1,000 requests", price(thousandPutsUsd), price(thousandGetsUsd)],
    ...(clockSkewMs === null ? [] : [["clock of the store", `${(clockSkewMs / 1000).toFixed(1)} s`, ""]]),
  ];
  const right = { align: "right" } as const;
  return drawTable(
    [
      { header: "measured", whole: true },
      { header: "put", ...right },
      { header: "get", ...right },
    ],
    rows,
  );
}

function verdict({ uri, fitFor }: StorageCheck): string {
  if (fitFor.length === 0) return `${uri} cannot be used: see above what it lacks.`;
  const [first, ...rest] = fitFor;
  return `${uri} can be used as ${[first, ...rest].join(" and ")}.`;
}
