import assert from "node:assert/strict";
import { test } from "node:test";
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatPercent,
  formatUsd,
  parseBytes,
} from "../src/units.ts";

function table<T>(format: (value: T) => string, rows: readonly (readonly [T, string])[]): void {
  for (const [value, text] of rows) assert.equal(format(value), text);
}

test("bytes are in binary units with three digits", () => {
  table(formatBytes, [
    [0, "0 B"],
    [1023, "1023 B"],
    [1024, "1.00 KiB"],
    [1536, "1.50 KiB"],
    [170_404, "166 KiB"],
    [1024 * 1024 - 1, "1.00 MiB"],
    [1769 * 1024 ** 2, "1.73 GiB"],
    [5000 * 1024 ** 4, "5000 TiB"],
  ]);
});

test("bytes are read in decimal and binary units, and nothing else is", () => {
  const cases: readonly (readonly [string, number | undefined])[] = [
    ...([
      ["224", 224],
      ["12e6", 12e6],
      ["12MB", 12e6],
      ["12 MB", 12e6],
      ["1.5kB", 1500],
    ] as const),
    ...([
      ["4MiB", 4 << 20],
      ["1GiB", 1 << 30],
      ["64k", 64_000],
    ] as const),
    ...(["", "MB", "-1", "1.5", "12XB", "4iB", "1e40"] as const).map((text) => [text, undefined] as const),
  ];
  for (const [text, bytes] of cases) assert.equal(parseBytes(text), bytes, text);
});

test("durations pick the unit that reads best, also next to a unit's end", () => {
  table(formatDuration, [
    [0, "0 ms"],
    [0.25, "250 µs"],
    [12.34, "12.3 ms"],
    [999.4, "999 ms"],
    [999.9, "1.00 s"],
    [1550, "1.55 s"],
    [59_940, "59.9 s"],
    [59_990, "1 min 0 s"],
    [125_000, "2 min 5 s"],
    [3_599_600, "1 h 0 min"],
    [3_720_000, "1 h 2 min"],
    [-1550, "-1.55 s"],
  ]);
});

test("counts have thousands separators", () => {
  table(formatCount, [
    [0, "0"],
    [999, "999"],
    [60_000, "60,000"],
    [1e6, "1,000,000"],
  ]);
});

test("money has cents from a dollar on, and two significant digits below", () => {
  table(formatUsd, [
    [0, "$0"],
    [1234.5, "$1,234.50"],
    [0.999, "$1.00"],
    [0.42, "$0.42"],
    [0.05792, "$0.058"],
    [0.0000020333, "$0.0000020"],
    [0.1, "$0.10"],
    [0.01, "$0.010"],
    [1e-12, "<$0.000000001"],
    [-0.5, "-$0.50"],
  ]);
});

test("shares are percentages with one decimal", () => {
  table(formatPercent, [
    [0, "0.0%"],
    [0.981, "98.1%"],
    [1, "100.0%"],
  ]);
});
