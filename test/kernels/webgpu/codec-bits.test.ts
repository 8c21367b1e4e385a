// Codecs on a GPU give the bits that the reference gives, for every kind of float: subnormal numbers, ties, what is too
// large, infinities and NaNs.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Operand } from "../../../bench/kernels/fitting-operands.ts";
import type { WebGpuDevice } from "../../../src/device/webgpu/webgpu-device.ts";
import type { ReferenceKernel } from "../../../src/kernels/kernel.ts";
import type { AnyOp } from "../../../src/kernels/op.ts";
import { ops } from "../../../src/kernels/ops/index.ts";
import { referenceKernels } from "../../../src/kernels/reference/index.ts";
import { elementCount, f32, i32 } from "../../../src/kernels/tensor.ts";
import { RandomStream } from "../../../src/random.ts";
import { createTestGpu, needsGpu } from "../../support/gpu.ts";
import { runFlat } from "./run-calls.ts";

let device: WebGpuDevice | undefined;
before(async () => {
  if (needsGpu.skip === false) device = await createTestGpu();
});
after(() => device?.destroy());

type CodecOp = "bf16-encode" | "bf16-decode" | "f16-encode" | "f16-decode" | "int8-encode" | "int8-decode";

async function assertBits(op: CodecOp, operands: readonly Operand[], params: object): Promise<void> {
  const inputs = operands.map((data) => (data instanceof Int32Array ? i32 : f32)(data.length));
  const outputs = (ops[op] as AnyOp).infer(inputs, params);
  const wanted = outputs.map((type) =>
    type.dtype === "i32" ? new Int32Array(elementCount(type)) : new Float32Array(elementCount(type)),
  );
  (referenceKernels[op] as ReferenceKernel).run({ inputs, outputs, params }, operands, wanted);
  const got = await runFlat(device!, op, operands, params);
  got.forEach((output, o) => {
    const [have, want] = [output, wanted[o]!].map(
      (data) => new Uint32Array(data.buffer, data.byteOffset, data.length),
    );
    have!.forEach((bits, i) => {
      // Of NaNs machines differ in the sign.
      if (bits !== want![i]! && !(Number.isNaN(output[i]) && Number.isNaN(wanted[o]![i])))
        assert.fail(`${op}: output ${o}[${i}] is ${bits.toString(16)}, not ${want![i]!.toString(16)}`);
    });
  });
}

/** Around the ties of both formats. */
const LOW_HALVES = [0, 1, 0x0fff, 0x1000, 0x1001, 0x2fff, 0x3000, 0x7fff, 0x8000, 0x8001, 0xffff];
const UPPER_HALVES = Array.from({ length: 0x10000 }, (_, half) => half);
const FLOATS = new Float32Array(
  Uint32Array.from(LOW_HALVES.flatMap((low) => UPPER_HALVES.map((half) => half * 0x10000 + low))).buffer,
);
const ALL_HALVES = new Int32Array(Uint16Array.from(UPPER_HALVES).buffer);

for (const format of ["bf16", "f16"] as const) {
  test(`every kind of float becomes the ${format} that the reference makes of it`, needsGpu, () =>
    assertBits(`${format}-encode`, [FLOATS], {}),
  );
  test(`every ${format} becomes the float of the same value`, needsGpu, () =>
    assertBits(`${format}-decode`, [ALL_HALVES], { length: 0x10000 }),
  );
}

const BLOCK = 256;

/** Blocks of very different magnitudes, down to subnormal numbers, and of integers and halves of one scale. */
function values(): Float32Array {
  const random = new RandomStream(1, "int8");
  const x = Float32Array.from(
    { length: 11 * BLOCK + 77 },
    (_, i) => random.nextNormal() * 2 ** (120 - 27 * Math.floor(i / BLOCK)),
  );
  for (let i = 0; i < BLOCK; i++) x[10 * BLOCK + i] = (i - 127) / 2;
  return x;
}

function withBad(bad: number): Float32Array {
  const x = values();
  x[3 * BLOCK + 100] = bad;
  return x;
}

for (const rounding of ["nearest", "stochastic"] as const)
  for (const blockElements of [32, BLOCK, 10_000])
    test(
      `int8 of blocks of ${blockElements}, rounded ${rounding}, has the reference's bits`,
      needsGpu,
      async () => {
        const counters = rounding === "stochastic" ? [Int32Array.of(1, 2, 3, 4)] : [];
        for (const x of [values(), withBad(Infinity), withBad(-Infinity), withBad(NaN), new Float32Array(70)])
          await assertBits("int8-encode", [x, ...counters], { blockElements, rounding });
      },
    );

test("int8 decodes a block of a scale that is infinite or NaN to NaNs", needsGpu, async () => {
  // As they are encoded: all zeros where the scale is no number.
  const packed = Int32Array.from({ length: 24 }, (_, i) => (i < 8 ? i * 0x01030507 : 0));
  const params = { blockElements: 32, length: 96 };
  await assertBits("int8-decode", [packed, Float32Array.of(0.5, Infinity, NaN)], params);
});
