import assert from "node:assert/strict";
import { test } from "node:test";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { formatOnnx, type OnnxOptions } from "../../../src/models/onnx/format-onnx.ts";
import { assertEqualAnswers, exportedModels, sampleOf, type Sample } from "./exported.ts";

/** onnxruntime's answers. */
async function predict(options: OnnxOptions, { x, count }: Sample): Promise<Float32Array> {
  const session = await InferenceSession.create(Buffer.concat(formatOnnx(options)), {
    ...{ graphOptimizationLevel: "basic", logSeverityLevel: 3 },
  });
  const shape = [count, ...options.topology.inputShape];
  const { y } = await session.run({
    x:
      x instanceof Float32Array
        ? new Tensor("float32", x, shape)
        : new Tensor("int64", BigInt64Array.from(x, BigInt), shape),
  });
  return y!.data as Float32Array;
}

for (const topology of exportedModels)
  test(`${topology.name} answers in onnxruntime as here`, async () => {
    const sample = await sampleOf(topology);
    assertEqualAnswers(await predict({ topology, tensors: sample.tensors }, sample), await sample.answer());
  });

for (const [subject, features] of [
  ["all features", 1],
  ["each feature", 9 * 11 * 2],
] as const)
  test(`a transform of ${subject} is part of the model`, async () => {
    const topology = exportedModels.find(({ name }) => name === "others")!;
    const sample = await sampleOf(topology);
    const transform = {
      scale: Array.from({ length: features }, (_, i) => 0.5 + 0.01 * i),
      offset: Array.from({ length: features }, (_, i) => 0.3 - 0.01 * i),
    };
    const at = (feature: number) => feature % features;
    const ours = await sample.answer(
      (value, feature) => value * transform.scale[at(feature)]! + transform.offset[at(feature)]!,
    );
    assertEqualAnswers(await predict({ topology, tensors: sample.tensors, transform }, sample), ours);
  });

test("all tensors that are missing or of another shape are named at once", async () => {
  const topology = exportedModels.find(({ name }) => name === "lenet5")!;
  const { tensors } = await sampleOf(topology);
  const others = new Map(tensors);
  others.delete("conv2d/kernel");
  others.set("dense/bias", { name: "dense/bias", shape: [7], data: new Float32Array(7) });
  assert.throws(() => formatOnnx({ topology, tensors: others }), {
    code: "parameters-mismatch",
    message: /conv2d\/kernel Float32Array \[5,5,1,6\], got none.*dense\/bias .* \[120\], got .*\[7\]/,
  });
});
