// What rows are on their way to as one line: `reading  1.2 GiB of 2.6 GiB (46%), 6.9 s left, 3,100,000 rows, 210 MB/s`.

import type { PacedProgress } from "../coordinator/pace.ts";
import { counted, formatBytes, formatCount, formatDuration, formatPercent } from "../units.ts";

export function paceText(progress: PacedProgress): string {
  const { phase, elapsedMs, bytesPerS, rowsPerS, remainingMs } = progress;
  const [done = "", ...more] = doneTexts(progress);
  const known = [
    done,
    // Before what a narrow terminal cuts off.
    remainingMs === null ? formatDuration(elapsedMs) : `${formatDuration(remainingMs)} left`,
    ...more,
    ...(bytesPerS === null ? [] : [`${(bytesPerS / 1e6).toFixed(bytesPerS < 1e7 ? 1 : 0)} MB/s`]),
    // Where there are bytes, theirs is the pace that says when it ends.
    ...(rowsPerS === null || bytesPerS !== null ? [] : [`${formatCount(rowsPerS)} rows/s`]),
    ...(phase === "fetching" && progress.resumedFromBytes > 0
      ? [`resumed from ${formatBytes(progress.resumedFromBytes)}`]
      : []),
  ];
  const of = "file" in progress ? progress.file : "step" in progress ? progress.step : undefined;
  return `${phase}${of === undefined ? "" : ` ${of}`}  ${known.join(", ")}`;
}

function doneTexts(progress: PacedProgress): string[] {
  const share = progress.share === null ? "" : ` (${formatPercent(progress.share)})`;
  if ("totalRows" in progress) {
    const { rows, totalRows } = progress;
    const who = "functions" in progress ? [counted(progress.functions, "function")] : [];
    // Nobody counts rows that are made for a file.
    if (totalRows === 0) return [counted(rows, "row"), ...who];
    return [`${formatCount(rows)} of ${counted(totalRows, "row")}${share}`, ...who];
  }
  const rows = progress.phase === "reading" ? [counted(progress.rows, "row")] : [];
  const { bytes, totalBytes } = progress;
  if (totalBytes === 0) return rows;
  const of = totalBytes === null ? "" : ` of ${formatBytes(totalBytes)}`;
  return [`${formatBytes(bytes)}${of}${share}`, ...rows];
}
