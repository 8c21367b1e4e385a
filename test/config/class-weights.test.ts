import assert from "node:assert/strict";
import { test } from "node:test";
import { classWeightsOf, parseClassWeights } from "../../src/config/class-weights.ts";

test("balanced weights are scikit-learn's, and have the mean 1 over the rows", () => {
  // sklearn.utils.class_weight.compute_class_weight("balanced") of 6, 3 and 1 rows
  const weights = classWeightsOf("balanced", [6, 3, 1]);
  [0.5555555555555556, 1.1111111111111112, 3.3333333333333335].forEach((expected, i) =>
    assert.ok(Math.abs(weights[i]! - expected) < 1e-12),
  );
  assert.deepEqual(classWeightsOf("balanced", [4, 0]), [0.5, 1]);
});

test("a list has a weight for each class of the data", () => {
  assert.deepEqual(classWeightsOf("1, 2.5", [6, 3]), [1, 2.5]);
  assert.throws(() => classWeightsOf("1,2", [6, 3, 1]), {
    code: "config-conflict",
    message: /expected 3 weights/,
  });
});

test("what is neither is refused", () => {
  for (const spec of ["", "ballanced", "1", "1,", "1,-2", "0,0", "1,x"])
    assert.throws(() => parseClassWeights(spec), { code: "class-weights-invalid" }, spec);
});
