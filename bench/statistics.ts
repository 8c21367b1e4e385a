// Timings as a median and a spread.

export interface Timing {
  readonly medianMs: number;
  readonly minMs: number;
  readonly maxMs: number;
  /** (third quartile - first quartile) / median. */
  readonly spread: number;
}

export function summariseTimes(timesMs: readonly number[]): Timing {
  const sorted = timesMs.toSorted((a, b) => a - b);
  const quantile = (share: number): number => sorted[Math.floor(share * sorted.length)]!;
  const medianMs = quantile(0.5);
  return {
    medianMs,
    minMs: sorted[0]!,
    maxMs: sorted.at(-1)!,
    spread: (quantile(0.75) - quantile(0.25)) / medianMs,
  };
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}
