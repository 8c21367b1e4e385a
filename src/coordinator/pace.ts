// How fast rows are on their way into storage or out of it, and how much time is left, from what it tells of itself.

import type { DataProgress } from "../data/progress.ts";

/** Names end in their units; null: not known, or not yet. */
export interface Pace {
  /** Since the phase began. */
  readonly elapsedMs: number;
  readonly bytesPerS: number | null;
  readonly rowsPerS: number | null;
  /** Of what the phase has to do. */
  readonly share: number | null;
  readonly remainingMs: number | null;
}

export type PacedProgress = DataProgress & Pace;

/** A pace over less says more about the first megabyte than about the rest. */
const LEAST_MS = 500;

/**
 * Adds the pace to each progress that is worth showing: one in `intervalMs`, none of a phase that is shorter.
 * @param now a clock in milliseconds
 */
export function paced(
  tell: (progress: PacedProgress) => void,
  intervalMs: number,
  now: () => number = () => performance.now(),
): (progress: DataProgress) => void {
  let phase = "";
  let begin = { atMs: 0, bytes: 0, rows: 0 };
  let toldMs = -Infinity;
  return (progress) => {
    const atMs = now();
    const bytes = "bytes" in progress ? progress.bytes : 0;
    const rows = "rows" in progress ? progress.rows : 0;
    const part = "file" in progress ? progress.file : "step" in progress ? progress.step : "";
    const name = `${progress.phase} ${part}`;
    if (name !== phase) {
      phase = name;
      begin = { atMs, bytes: "file" in progress ? bytes : 0, rows: 0 };
      toldMs = atMs;
    }
    if (atMs - toldMs < intervalMs) return;
    toldMs = atMs;
    const elapsedMs = atMs - begin.atMs;
    const isPaced = elapsedMs >= LEAST_MS;
    const perS = (done: number) => (isPaced && done > 0 ? (1000 * done) / elapsedMs : null);
    const [done, had, total] =
      "totalRows" in progress
        ? [rows, begin.rows, progress.totalRows]
        : [bytes, begin.bytes, progress.totalBytes ?? 0];
    const share = total > 0 ? Math.min(1, done / total) : null;
    const pace = perS(done - had);
    tell({
      ...progress,
      elapsedMs,
      bytesPerS: perS(bytes - begin.bytes),
      rowsPerS: perS(rows),
      share,
      remainingMs: share === null || pace === null ? null : (1000 * Math.max(0, total - done)) / pace,
    });
  };
}
