import assert from "node:assert/strict";
import { test } from "node:test";
import { scheduleOf, VARIANTS } from "../../bench/chaos/schedule.ts";

const schedules = Array.from({ length: 50 }, (_, index) => scheduleOf(1 + index));

test("a schedule is a function of its seed", () => {
  assert.deepEqual(
    schedules,
    schedules.map(({ seed }) => scheduleOf(seed)),
  );
});

test("fifty schedules have every fault, every variant, failing storage, late starts and short lives", () => {
  const kinds = new Set(schedules.flatMap(({ faults }) => faults.map(({ kind }) => kind)));
  assert.deepEqual([...kinds].sort(), [
    "coordinator-killed",
    "delivered-again",
    "frozen",
    "killed",
    "out-of-memory",
    "throttled",
    "time-out",
  ]);
  assert.equal(new Set(schedules.map(({ variant }) => variant)).size, Object.keys(VARIANTS).length);
  const storageFaults = new Set(schedules.flatMap(({ storage }) => Object.keys(storage)));
  for (const name of ["errors", "lostAnswers", "delays", "outageMs"])
    assert.ok(storageFaults.has(name), name);
  assert.ok(schedules.some(({ late }) => late !== undefined));
  assert.ok(schedules.some(({ shortLived }) => shortLived));
});
