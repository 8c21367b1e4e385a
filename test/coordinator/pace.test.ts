import assert from "node:assert/strict";
import { test } from "node:test";
import { paced, type PacedProgress } from "../../src/coordinator/pace.ts";
import type { DataProgress } from "../../src/data/progress.ts";
import { paceText } from "../../src/ui/pace-text.ts";

/** What is told of [milliseconds, progress], one each second at most. */
function toldOf(course: readonly (readonly [atMs: number, progress: DataProgress])[]): PacedProgress[] {
  const told: PacedProgress[] = [];
  let now = 0;
  const tell = paced(
    (progress) => told.push(progress),
    1000,
    () => now,
  );
  for (const [atMs, progress] of course) {
    now = atMs;
    tell(progress);
  }
  return told;
}

const fetching = (bytes: number, resumedFromBytes = 0, totalBytes: number | null = 100e6) =>
  ({ phase: "fetching", file: "a.gz", bytes, totalBytes, resumedFromBytes }) as const;

test("a pace is that of what came since the phase began, and says what is left", () => {
  const [first, second, ...more] = toldOf([
    [0, fetching(20e6, 20e6)],
    [100, fetching(21e6, 20e6)],
    [2000, fetching(40e6, 20e6)],
    [2999, fetching(45e6, 20e6)],
    [4000, fetching(60e6, 20e6)],
  ]);
  assert.equal(more.length, 0);
  assert.deepEqual(
    [first!.elapsedMs, first!.bytesPerS, first!.share, first!.remainingMs],
    [2000, 10e6, 0.4, 6000],
  );
  assert.equal(second!.remainingMs, 4000);
  assert.equal(
    paceText(second!),
    "fetching a.gz  57.2 MiB of 95.4 MiB (60.0%), 4.00 s left, 10 MB/s, resumed from 19.1 MiB",
  );
});

test("where a server does not say how much there is, nobody says how long it takes", () => {
  const [told] = toldOf([
    [0, fetching(0, 0, null)],
    [4000, fetching(8e6, 0, null)],
  ]);
  assert.deepEqual([told!.share, told!.remainingMs], [null, null]);
  assert.equal(paceText(told!), "fetching a.gz  7.63 MiB, 4.00 s, 2.0 MB/s");
});

test("phases have paces of their own, and one that is over within the interval is not told", () => {
  const texts = toldOf([
    [0, { phase: "recognising", bytes: 0, totalBytes: 50e6 }],
    [900, { phase: "recognising", bytes: 50e6, totalBytes: 50e6 }],
    [1000, { phase: "reading", rows: 0, bytes: 0, totalBytes: 50e6 }],
    [3000, { phase: "reading", rows: 20_000, bytes: 25e6, totalBytes: 50e6 }],
    [5000, { phase: "writing", rows: 0, totalRows: 40_000 }],
    [6000, { phase: "writing", rows: 30_000, totalRows: 40_000 }],
  ]).map(paceText);
  assert.deepEqual(texts, [
    "reading  23.8 MiB of 47.7 MiB (50.0%), 2.00 s left, 20,000 rows, 13 MB/s",
    "writing  30,000 of 40,000 rows (75.0%), 333 ms left, 30,000 rows/s",
  ]);
});

test("rows that are made have no bytes", () => {
  const [told] = toldOf([
    [0, { phase: "reading", rows: 0, bytes: 0, totalBytes: 0 }],
    [2000, { phase: "reading", rows: 5000, bytes: 0, totalBytes: 0 }],
  ]);
  assert.equal(paceText(told!), "reading  5,000 rows, 2.00 s, 2,500 rows/s");
});

test("each step of a transformation has a pace, and functions are told", () => {
  const texts = toldOf([
    [0, { phase: "measuring", step: "tf-idf", rows: 0, totalRows: 900, functions: 3 }],
    [2000, { phase: "measuring", step: "tf-idf", rows: 600, totalRows: 900, functions: 2 }],
    [3000, { phase: "measuring", step: "standardise", rows: 0, totalRows: 900 }],
    [4000, { phase: "measuring", step: "standardise", rows: 300, totalRows: 900 }],
    [5000, { phase: "mapping", rows: 0, totalRows: 1000, functions: 1 }],
    [6000, { phase: "mapping", rows: 1000, totalRows: 1000, functions: 1 }],
  ]).map(paceText);
  assert.deepEqual(texts, [
    "measuring tf-idf  600 of 900 rows (66.7%), 1.00 s left, 2 functions, 300 rows/s",
    "measuring standardise  300 of 900 rows (33.3%), 2.00 s left, 300 rows/s",
    "mapping  1,000 of 1,000 rows (100.0%), 0 ms left, 1 function, 1,000 rows/s",
  ]);
});
