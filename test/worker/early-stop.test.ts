import assert from "node:assert/strict";
import { test } from "node:test";
import { bestEpoch } from "../../src/run/best-epoch.ts";
import type { EpochMetrics } from "../../src/run/records.ts";
import { startCursor } from "../../src/worker/cursor.ts";
import { earlyEnd, isValidated, noteValidation } from "../../src/worker/early-stop.ts";

type Curve = readonly (readonly [accuracy: number | null, validationLoss: number | null])[];

/** After which epoch (from 1) a run with these validations would end, and why. */
function endOf(curve: Curve, settings: Parameters<typeof earlyEnd>[0], bestBy?: "accuracy" | "loss") {
  const cursor = startCursor();
  for (const [i, [accuracy, validationLoss]] of curve.entries()) {
    noteValidation(cursor, { epoch: i + 1, accuracy, validationLoss }, bestBy);
    const end = earlyEnd(settings, cursor);
    if (end !== undefined) return [i + 1, end];
  }
  return undefined;
}

const curve: Curve = [
  [0.5, 1],
  [0.9, 0.4],
  [0.8, 0.3],
  [null, null],
  [0.85, 0.35],
];

test("a run ends at its target of accuracy or loss, whichever comes first", () => {
  assert.deepEqual(endOf(curve, { targetAccuracy: 0.9 }), [2, "target-reached"]);
  assert.deepEqual(endOf(curve, { targetLoss: 0.3 }), [3, "target-reached"]);
  assert.deepEqual(endOf(curve, { targetLoss: 0.4, targetAccuracy: 0.95 }), [2, "target-reached"]);
  assert.equal(endOf(curve, { targetLoss: 0.1, targetAccuracy: 0.99 }), undefined);
});

test("a run without an accuracy ends at its target of loss", () => {
  const losses = curve.map(([, loss]) => [null, loss] as const);
  assert.deepEqual(endOf(losses, { targetLoss: 0.35, targetAccuracy: 0.5 }), [3, "target-reached"]);
});

test("patience counts epochs since the best one, by accuracy or by loss", () => {
  assert.deepEqual(endOf(curve, { patience: 1 }), [3, "no-improvement"]);
  assert.deepEqual(endOf(curve, { patience: 3 }), [5, "no-improvement"]);
  assert.equal(endOf(curve, { patience: 3 }, "loss"), undefined);
  assert.deepEqual(endOf(curve, { patience: 2 }, "loss"), [5, "no-improvement"]);
});

test("the best epoch is the first of the highest accuracy or the lowest loss, and one that was validated", () => {
  const metrics = curve.map(([accuracy, validationLoss], i) => ({ epoch: i + 1, accuracy, validationLoss }));
  assert.equal(bestEpoch(metrics as EpochMetrics[])?.epoch, 2);
  assert.equal(bestEpoch(metrics as EpochMetrics[], "loss")?.epoch, 3);
  assert.equal(bestEpoch(metrics.slice(3, 4) as EpochMetrics[]), undefined);
});

test("every so many epochs are validated, and the last one", () => {
  const validated = [1, 2, 3, 4, 5].filter((epoch) => isValidated(epoch, { evalEvery: 2, epochs: 5 }));
  assert.deepEqual(validated, [2, 4, 5]);
});
