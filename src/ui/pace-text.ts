// A source's way into storage as one line: `reading  1.2 GiB of 2.6 GiB (46%), 3,100,000 rows, 210 MB/s, 6.9 s left`.

import type { PacedProgress } from "../coordinator/pace.ts";
import { counted, formatBytes, formatCount, formatDuration, formatPercent } from "../units.ts";

export function paceText(progress: PacedProgress): string {
  const { phase, elapsedMs, bytesPerS, rowsPerS, remainingMs } = progress;
  const known = [
    ...doneTexts(progress),
    ...(bytesPerS === null ? [] : [`${(bytesPerS / 1e6).toFixed(bytesPerS < 1e7 ? 1 : 0)} MB/s`]),
    // Where there are bytes, theirs is the pace that says when it ends.
    ...(rowsPerS === null || bytesPerS !== null ? [] : [`${formatCount(rowsPerS)} rows/s`]),
    remainingMs === null ? formatDuration(elapsedMs) : `${formatDuration(remainingMs)} left`,
    ...(phase === "fetching" && progress.resumedFromBytes > 0
      ? [`resumed from ${formatBytes(progress.resumedFromBytes)}`]
      : []),
  ];
  return `${phase}${phase === "fetching" ? ` ${progress.file}` : ""}  ${known.join(", ")}`;
}

function doneTexts(progress: PacedProgress): string[] {
  const share = progress.share === null ? "" : ` (${formatPercent(progress.share)})`;
  if (progress.phase === "writing") {
    return [`${formatCount(progress.rows)} of ${counted(progress.totalRows, "row")}${share}`];
  }
  const rows = progress.phase === "reading" ? [counted(progress.rows, "row")] : [];
  const { bytes, totalBytes } = progress;
  if (totalBytes === 0) return rows;
  const of = totalBytes === null ? "" : ` of ${formatBytes(totalBytes)}`;
  return [`${formatBytes(bytes)}${of}${share}`, ...rows];
}
