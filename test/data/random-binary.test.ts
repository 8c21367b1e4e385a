import assert from "node:assert/strict";
import { test } from "node:test";
import type { Dataset } from "../../src/data/dataset.ts";
import { RandomStream } from "../../src/random.ts";
import { dense, loadDataset } from "./load.ts";

const { train, validation } = await loadDataset("random-binary:30000", { seed: 1 });

test("random-binary has the rows asked for, and a tenth of them to validate on", () => {
  assert.deepEqual(
    [train.count, validation.count, train.classes, train.featureShape],
    [30_000, 3000, 2, [20]],
  );
});

test("features and labels are fair coins, and inputs are -1 and 1", () => {
  for (let feature = 0; feature < 20; feature++) {
    let ones = 0;
    for (let row = 0; row < train.count; row++) ones += dense(train.features)[20 * row + feature]!;
    assert.ok(Math.abs(ones / train.count - 0.5) < 0.015, `feature ${feature}: ${ones}`);
  }
  assert.ok(dense(train.features).every((value) => value === 0 || value === 1));
  const positive = train.labels.filter((label) => label === 1).length / train.count;
  assert.ok(Math.abs(positive - 0.5) < 0.02, String(positive));
  const { scale, offset } = train.transform;
  assert.deepEqual([offset[0], scale[0]! + offset[0]!], [-1, 1]);
});

test("the seed changes the rows, never what a row's label is", async () => {
  const again = await loadDataset("random-binary:30000", { seed: 1 });
  assert.deepEqual(again, { train, validation });
  const other = await loadDataset("random-binary:30000", { seed: 2 });
  assert.notDeepEqual(other.train.features, train.features);
  const labels = new Map(rows(train).map((row, i) => [row, train.labels[i]]));
  const shared = rows(other.train).flatMap((row, i) =>
    labels.has(row) ? [[labels.get(row), other.train.labels[i]]] : [],
  );
  assert.ok(shared.length > 500);
  for (const [label, otherLabel] of shared) assert.equal(otherLabel, label);
});

function rows({ features, count }: Dataset): string[] {
  return Array.from({ length: count }, (_, i) =>
    dense(features)
      .subarray(20 * i, 20 * i + 20)
      .join(""),
  );
}

test("a small network learns the teacher to more than 95 %, which a line through the data does not", () => {
  assert.ok(accuracyAfterTraining(0) < 0.9);
  assert.ok(accuracyAfterTraining(16) > 0.95);
});

/** Plain stochastic gradient descent on a network 20-hidden-1 (input 20 is the bias; tanh, sigmoid); `hidden` 0 is logistic regression. */
function accuracyAfterTraining(hidden: number): number {
  const stream = new RandomStream(3, "student");
  const w = Float64Array.from({ length: Math.max(1, hidden) * 21 }, () => 0.3 * stream.nextNormal());
  const v = Float64Array.from({ length: hidden }, () => 0.3 * stream.nextNormal());
  const units = new Float64Array(Math.max(1, hidden));
  let bias = 0;
  const forward = (x: Float64Array): number => {
    for (let u = 0; u < units.length; u++) {
      let sum = 0;
      for (let f = 0; f < 21; f++) sum += w[u * 21 + f]! * x[f]!;
      units[u] = hidden === 0 ? sum : Math.tanh(sum);
    }
    return hidden === 0 ? units[0]! + bias : v.reduce((sum, weight, u) => sum + weight * units[u]!, bias);
  };
  const input = ({ features }: Dataset, row: number) =>
    Float64Array.from({ length: 21 }, (_, f) => (f < 20 ? 2 * dense(features)[20 * row + f]! - 1 : 1));
  for (const rate of [0.05, 0.03, 0.01]) {
    for (let row = 0; row < train.count; row++) {
      const x = input(train, row);
      const error = 1 / (1 + Math.exp(-forward(x))) - train.labels[row]!;
      bias -= rate * error;
      for (let u = 0; u < units.length; u++) {
        const back = hidden === 0 ? error : error * v[u]! * (1 - units[u]! ** 2);
        if (hidden > 0) v[u]! -= rate * error * units[u]!;
        for (let f = 0; f < 21; f++) w[u * 21 + f]! -= rate * back * x[f]!;
      }
    }
  }
  let correct = 0;
  for (let row = 0; row < validation.count; row++) {
    if (forward(input(validation, row)) > 0 === (validation.labels[row] === 1)) correct++;
  }
  return correct / validation.count;
}
