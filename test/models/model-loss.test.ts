import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { loadModel, ownLossOf } from "../../src/models/load-model.ts";
import { lossFor, type LossRequest } from "../../src/models/model-loss.ts";
import { buildModel } from "../../src/models/build.ts";

const request = (classes: number, hinge: LossRequest["hinge"] = "hinge"): LossRequest => ({
  task: "classification",
  classes,
  hinge,
  clusters: 10,
});

suite("the loss of a run", () => {
  test("follows the data where the model has none of its own", () => {
    assert.deepEqual(lossFor(ownLossOf("lr"), request(2)), { loss: "sigmoid-cross-entropy", outputs: 1 });
    assert.deepEqual(lossFor(ownLossOf("mlp"), request(3)), { loss: "softmax-cross-entropy", outputs: 3 });
    const values = { ...request(0), task: "regression" } as const;
    assert.deepEqual(lossFor(ownLossOf("lr"), values), { loss: "mean-squared-error", outputs: 1 });
  });

  test("is softmax's with an output for each class, also of two, for softmax", () => {
    assert.deepEqual(lossFor(ownLossOf("softmax"), request(2)), {
      loss: "softmax-cross-entropy",
      outputs: 2,
    });
  });

  test("is the hinge of one score for two classes and of one for each of more, for svm", () => {
    assert.deepEqual(lossFor(ownLossOf("svm"), request(2)), { loss: "hinge", outputs: 1 });
    assert.deepEqual(lossFor(ownLossOf("svm"), request(5, "squared")), { loss: "squared-hinge", outputs: 5 });
  });

  test("of svm and softmax is refused for targets that are no classes", () => {
    for (const model of ["svm", "softmax"])
      assert.throws(() => lossFor(ownLossOf(model), { ...request(0), task: "regression" }), {
        code: "model-data-mismatch",
        message: new RegExp(model),
      });
  });
});

test("svm over several classes takes class numbers to count right answers, and targets for its hinges", async () => {
  const topology = await loadModel("svm", { inputShape: [4], outputs: 3 });
  const { graph } = buildModel(topology, 2, { training: true, loss: "hinge" });
  assert.deepEqual(
    graph.inputs.map(({ name }) => name),
    ["x", "labels", "targets"],
  );
});
