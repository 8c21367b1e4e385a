// Winograd's kernels against float64 over random shapes: their error bound, and their operands bias and mask.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { KernelCall, ReferenceKernel } from "../../../src/kernels/kernel.ts";
import { conv2dGeometry } from "../../../src/kernels/ops/conv2d.ts";
import { ops } from "../../../src/kernels/ops/index.ts";
import { referenceKernels } from "../../../src/kernels/reference/index.ts";
import { elementCount, f32 } from "../../../src/kernels/tensor.ts";
import { conv2dFilterGradKernel } from "../../../src/kernels/wasm/convolution/conv2d.ts";
import type { WasmKernel } from "../../../src/kernels/wasm/kernel.ts";
import {
  winogradConv2dKernel,
  winogradFilterGradKernel,
  winogradInputGradKernel,
  winogradThatPays,
} from "../../../src/kernels/wasm/winograd/winograd-conv2d.ts";
import { WINOGRAD_2X2, WINOGRAD_4X4 } from "../../../src/kernels/wasm/winograd/winograd-matrices.ts";
import { RandomStream } from "../../../src/random.ts";
import { bitsOf } from "../expected.ts";
import { runKernel } from "./run-kernel.ts";

/**
 * Largest error over the largest output. A direct convolution of 256 channels comes to 1.3e-6; sums of larger tiles are
 * made of terms that are larger than the outputs.
 */
const BOUNDS = [
  { matrices: WINOGRAD_2X2, maximumError: 1e-6 },
  { matrices: WINOGRAD_4X4, maximumError: 4e-6 },
] as const;

interface Shape {
  readonly x: readonly [number, number, number, number];
  readonly N: number;
  readonly padding: "same" | "valid";
}

const random = new RandomStream(1, "winograd");
const between = (low: number, high: number): number => low + random.nextInt(high - low + 1);

const SHAPES: readonly Shape[] = [
  { x: [1, 3, 3, 1], N: 1, padding: "valid" },
  { x: [1, 1, 1, 5], N: 3, padding: "same" },
  { x: [2, 1, 9, 8], N: 16, padding: "same" },
  { x: [3, 7, 7, 64], N: 32, padding: "same" },
  { x: [2, 14, 14, 33], N: 48, padding: "same" },
  { x: [9, 8, 8, 32], N: 35, padding: "valid" },
  { x: [1, 5, 6, 512], N: 8, padding: "same" },
  { x: [40, 9, 8, 4], N: 5, padding: "same" },
  ...Array.from({ length: 12 }, (): Shape => ({
    x: [between(1, 5), between(3, 15), between(3, 15), between(1, 40)],
    N: between(1, 40),
    padding: between(0, 1) === 0 ? "same" : "valid",
  })),
];

function makeCall(
  name: "conv2d" | "conv2d-input-grad" | "conv2d-filter-grad",
  shape: Shape,
  extra: boolean,
): KernelCall {
  const window = { strides: [1, 1], padding: shape.padding } as const;
  const x = f32(...shape.x);
  const w = f32(3, 3, shape.x[3], shape.N);
  const forward = { ...window, activation: extra ? "relu" : "none" } as const;
  const inputs = [x, w, ...(extra ? [f32(shape.N)] : [])];
  const outputs = ops.conv2d.infer(inputs, forward);
  if (name === "conv2d") return { inputs, outputs, params: forward };
  if (name === "conv2d-filter-grad")
    return { inputs: [x, outputs[0]!], outputs: [w], params: { ...window, filterShape: w.shape } };
  const params = { ...window, inputShape: shape.x };
  return { inputs: [outputs[0]!, w, ...(extra ? [x] : [])], outputs: [x], params };
}

function operandsOf(call: KernelCall): readonly Float32Array[] {
  return call.inputs.map((type) =>
    Float32Array.from({ length: elementCount(type) }, () => random.nextNormal()),
  );
}

const FAMILIES = [
  { op: "conv2d", kernelOf: winogradConv2dKernel, extras: ["", " with bias and relu"] },
  { op: "conv2d-input-grad", kernelOf: winogradInputGradKernel, extras: ["", " with a mask"] },
  { op: "conv2d-filter-grad", kernelOf: winogradFilterGradKernel, extras: [""] },
] as const;

function largestError(kernel: WasmKernel, reference: ReferenceKernel, call: KernelCall): number {
  const operands = operandsOf(call);
  const want = new Float64Array(elementCount(call.outputs[0]!));
  reference.run(
    call,
    operands.map((data) => Float64Array.from(data)),
    [want],
  );
  const [got] = runKernel(kernel, call, operands, { slices: 3 });
  const scale = want.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  return want.reduce((most, value, i) => Math.max(most, Math.abs(value - got![i]!)), 0) / (scale || 1);
}

for (const { matrices, maximumError } of BOUNDS) {
  for (const { op, kernelOf, extras } of FAMILIES)
    for (const extra of extras)
      test(`F(${matrices.name}, 3x3) of ${op}${extra} stays within ${maximumError} of the largest output`, () => {
        for (const shape of SHAPES) {
          const call = makeCall(op, shape, extra !== "");
          const error = largestError(kernelOf(matrices, 16), referenceKernels[op], call);
          assert.ok(error <= maximumError, `${JSON.stringify(shape)}: ${error}`);
        }
      });

  test(`F(${matrices.name}, 3x3) gives equal bits for every tile and however it is sliced`, () => {
    for (const { op, kernelOf } of FAMILIES)
      for (const shape of SHAPES.slice(-6)) {
        const call = makeCall(op, shape, true);
        const operands = operandsOf(call);
        const bits = bitsOf(runKernel(kernelOf(matrices, 16), call, operands));
        for (const slices of [1, 2, 7])
          assert.deepEqual(bitsOf(runKernel(kernelOf(matrices, 8), call, operands, { slices })), bits);
      }
  });
}

test("Winograd's filter gradient of a large batch, summed in parts, agrees with the direct kernel", () => {
  const call = makeCall("conv2d-filter-grad", { x: [52, 28, 28, 64], N: 64, padding: "same" }, false);
  const operands = operandsOf(call);
  const [got] = runKernel(winogradFilterGradKernel(WINOGRAD_2X2, 16), call, operands, { slices: 5 });
  const [want] = runKernel(conv2dFilterGradKernel(16), call, operands);
  const scale = want!.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  want!.forEach((value, i) => {
    assert.ok(Math.abs(value - got![i]!) <= 5e-6 * scale, `dw[${i}] = ${got![i]}, not ${value}`);
  });
});

test("Winograd refuses other windows and strides than 3x3 by 1", () => {
  const call = makeCall("conv2d", { x: [1, 8, 8, 32], N: 32, padding: "same" }, false);
  const target = { relaxedSimd: true, wide: true };
  const kernel = winogradConv2dKernel(WINOGRAD_2X2, 16);
  assert.ok(kernel.accepts(call, target));
  assert.ok(!kernel.accepts({ ...call, params: { ...call.params, strides: [2, 1] } }, target));
  assert.ok(
    !kernel.accepts(
      { ...call, inputs: [call.inputs[0]!, f32(5, 5, 32, 32), ...call.inputs.slice(2)] },
      target,
    ),
  );
});

test("Winograd is chosen, with the tile that multiplies least, where it makes up for its transforms", () => {
  const chosen = (batch: number, extent: number, channels: number) => {
    const x = [batch, extent, extent, channels];
    const window = { strides: [1, 1], padding: "same" } as const;
    return winogradThatPays(conv2dGeometry("conv2d", x, [3, 3, channels, channels], window))?.name;
  };
  assert.equal(chosen(32, 56, 64), "4x4");
  assert.equal(chosen(32, 14, 256), "4x4");
  assert.equal(chosen(32, 7, 512), "4x4");
  assert.equal(chosen(32, 6, 64), "2x2", "4x4 sticks out");
  assert.equal(chosen(4, 7, 512), "2x2", "filters of 4x4 are larger");
  assert.equal(chosen(1, 7, 512), undefined, "few outputs");
  assert.equal(chosen(32, 28, 8), undefined, "few channels");
});
