import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDeadline } from "../../src/config/deadline.ts";

const start = new Date("2026-11-24T06:00:00Z");

for (const [text, expected] of [
  ["90m", "2026-11-24T07:30:00.000Z"],
  ["1.5h", "2026-11-24T07:30:00.000Z"],
  ["2d", "2026-11-26T06:00:00.000Z"],
  ["30s", "2026-11-24T06:00:30.000Z"],
  ["2026-11-24T08:00Z", "2026-11-24T08:00:00.000Z"],
  ["2026-11-24T08:00:30+02:00", "2026-11-24T06:00:30.000Z"],
] as const) {
  test(`a deadline of ${text} is a moment`, () => {
    assert.equal(parseDeadline(text, start).toISOString(), expected);
  });
}

for (const text of ["", "90", "0m", "-5m", "2026-11-24", "tomorrow", "2026-13-24T08:00Z"]) {
  test(`a deadline of ${JSON.stringify(text)} is refused`, () => {
    assert.throws(() => parseDeadline(text, start), { code: "deadline-invalid" });
  });
}
