// Convolutions of the kinds that tiles are made for, at sizes at which tiles are chosen: what random calls seldom draw.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { WebGpuDevice } from "../../../src/device/webgpu/webgpu-device.ts";
import { ops } from "../../../src/kernels/ops/index.ts";
import { f32 } from "../../../src/kernels/tensor.ts";
import { chooseWebGpuKernel } from "../../../src/kernels/webgpu/choose.ts";
import { tiledConv2dKernels } from "../../../src/kernels/webgpu/convolution/tiled-conv2d.ts";
import type { WebGpuKernel, WebGpuTarget } from "../../../src/kernels/webgpu/kernel.ts";
import { TILES } from "../../../src/kernels/webgpu/products/tiles.ts";
import { createTestGpu, needsGpu } from "../../support/gpu.ts";
import { caseOf, operandsOf, type Case } from "../cases.ts";
import { assertClose, bitsOf, expected } from "../expected.ts";
import { runCall } from "./run-calls.ts";

type Shape = readonly [number, number, number, number];

interface Convolution {
  readonly kind: string;
  readonly x: Shape;
  readonly w: Shape;
  readonly stride: number;
  readonly dilation?: number;
  readonly padding?: "same" | "valid";
  /** Its input gradient would be one of three channels. */
  readonly first?: true;
}

const convolutions: readonly Convolution[] = [
  { kind: "3x3 of 16 channels", x: [2, 9, 9, 16], w: [3, 3, 16, 16], stride: 1 },
  { kind: "3x3 with stride 2, one phase a pass", x: [2, 18, 17, 16], w: [3, 3, 16, 32], stride: 2 },
  {
    kind: "1x1 with stride 2, which three phases of four miss",
    x: [2, 33, 31, 16],
    w: [1, 1, 16, 32],
    stride: 2,
  },
  {
    kind: "7x7 of 3 channels with stride 2",
    x: [1, 23, 24, 3],
    w: [7, 7, 3, 33],
    stride: 2,
    padding: "valid",
    first: true,
  },
  { kind: "3x3 with dilation 2", x: [1, 13, 12, 18], w: [3, 3, 18, 20], stride: 1, dilation: 2 },
  { kind: "3x3 of 128 channels over few pixels, split", x: [1, 4, 4, 128], w: [3, 3, 128, 32], stride: 1 },
];

function casesOf({ x, w, stride, dilation = 1, padding = "same", first }: Convolution): readonly Case[] {
  const window = { strides: [stride, stride], dilations: [dilation, dilation], padding } as const;
  const forward = caseOf("conv2d", [f32(...x), f32(...w), f32(w[3])], { ...window, activation: "relu" });
  const dy = forward.call.outputs[0]!;
  return [
    forward,
    ...(first ? [] : [caseOf("conv2d-input-grad", [dy, f32(...w), f32(...x)], { ...window, inputShape: x })]),
    caseOf("conv2d-filter-grad", [f32(...x), dy], { ...window, filterShape: w }),
  ];
}

const MIDDLING: WebGpuTarget = {
  ...{ subgroupSize: undefined, shaderF16: false },
  ...{ workgroupBytes: 32_768, workgroupInvocations: 1024, storageBuffers: 8 },
};

/** Of operands that are rounded to 11 bits. */
const HALF_TOLERANCE = 1e-3;

let device: WebGpuDevice | undefined;
before(async () => {
  if (needsGpu.skip === false) device = await createTestGpu();
});
after(() => device?.destroy());

for (const convolution of convolutions)
  test(`tiles compute a convolution and its gradients: ${convolution.kind}`, needsGpu, async (t) => {
    for (const one of casesOf(convolution)) {
      const kernel = chooseWebGpuKernel(ops[one.op], one.call, device!.target);
      assert.ok(kernel && tiledConv2dKernels.includes(kernel), `${one.label}: ${kernel?.name}`);
      t.diagnostic(`${one.op}: ${kernel.name}`);
      const operands = operandsOf(one);
      const got = await runCall(device!, kernel, one, operands);
      assertClose(kernel.name, one, got, expected(one, operands), 2e-6);
      assert.deepEqual(
        bitsOf(await runCall(device!, kernel, one, operands)),
        bitsOf(got),
        `${one.label}: again`,
      );
    }
  });

const hasTime = ["SLTRAIN_TEST_GPU", "SLTRAIN_TEST_SECONDS"].some((name) => process.env[name] !== undefined);

// A software GPU chooses none of the large tiles, and compiles each for a second or more: SLTRAIN_TEST_SECONDS=600 has it run all.
for (const [precision, sizes] of [
  ["f32", ["128x128", "64x64"]],
  ["f16", ["32x32"]],
] as const)
  for (const one of casesOf(convolutions[0]!))
    test(`tiles of ${sizes.join(" and ")} in ${precision} compute ${one.op}`, needsGpu, async () => {
      const operands = operandsOf(one);
      const want = expected(one, operands);
      const target: WebGpuTarget = { ...device!.target, precision };
      const kernels = tiledConv2dKernels.filter(
        ({ op, name }) =>
          op === ops[one.op] &&
          name.startsWith(precision) &&
          (hasTime || sizes.some((size) => name.includes(`-${size}x`))),
      );
      assert.equal(kernels.length, hasTime ? TILES.length : sizes.length);
      for (const kernel of kernels) {
        const [got] = await runCall(device!, onTarget(kernel, target), one, operands);
        assertClose(kernel.name, one, [got!], want, precision === "f32" ? 2e-6 : HALF_TOLERANCE);
        const error = got!.reduce(
          (most, value, i) => Math.max(most, Math.abs(value - want[0]!.values[i]!)),
          0,
        );
        const wasRounded = error / want[0]!.scale > 2e-6;
        assert.equal(wasRounded, precision === "f16", `${kernel.name}: off by ${error}`);
      }
    });

test("operands are rounded only where the target allows it", () => {
  const [one] = casesOf(convolutions[0]!) as [Case];
  const on = (target: Partial<WebGpuTarget>) =>
    chooseWebGpuKernel(ops[one.op], one.call, { ...MIDDLING, ...target })!.name;
  assert.match(on({ precision: "f16", shaderF16: true }), /^f16-conv2d-/);
  assert.match(on({ precision: "f16", shaderF16: false }), /^f32-conv2d-/);
  assert.match(on({ shaderF16: true }), /^f32-conv2d-/);
});

function onTarget(kernel: WebGpuKernel, target: WebGpuTarget): WebGpuKernel {
  return { ...kernel, build: (call) => kernel.build(call, target) };
}
