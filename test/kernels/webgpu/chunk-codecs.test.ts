// Chunks that a GPU encodes have the bits that the host's codecs give them, for every kind of float and every length.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { WebGpuDevice } from "../../../src/device/webgpu/webgpu-device.ts";
import type { AnyOp } from "../../../src/kernels/op.ts";
import { fp16ChunkEncode, int8ChunkEncode, topKChunkEncode } from "../../../src/kernels/ops/chunk-codecs.ts";
import { f32, i32 } from "../../../src/kernels/tensor.ts";
import { chooseWebGpuKernel } from "../../../src/kernels/webgpu/choose.ts";
import type { WebGpuKernel, WebGpuTarget } from "../../../src/kernels/webgpu/kernel.ts";
import { RandomStream } from "../../../src/random.ts";
import { type Codec, roomFor } from "../../../src/shard/codec/codec.ts";
import { fp16, FP16_BLOCK } from "../../../src/shard/codec/fp16.ts";
import { int8, INT8_BLOCK } from "../../../src/shard/codec/int8.ts";
import { keptOf, topK } from "../../../src/shard/codec/top-k.ts";
import { encodeWithFeedback } from "../../../src/shard/error-feedback.ts";
import { createTestGpu, needsGpu } from "../../support/gpu.ts";
import { encodedWords, wordsOf } from "../../support/words.ts";
import { runCall } from "./run-calls.ts";

let device: WebGpuDevice | undefined;
before(async () => {
  if (needsGpu.skip === false) device = await createTestGpu();
});
after(() => device?.destroy());

const LENGTHS = [1, 2, 3, 64, 70, 511, 1024, 2048, 5 * 1024 + 192, 12_345];

/** Neighbours of all magnitudes that f32 has, by stretches: a block has large and small ones. */
function ofAllMagnitudes(length: number): Float32Array {
  const random = new RandomStream(length, "magnitudes");
  return Float32Array.from(
    { length },
    (_, i) => random.nextNormal() * 2 ** (120 - 30 * (Math.floor(i / 700) % 10) - 40 * random.nextUniform()),
  );
}

/** Like the gradients of a small model. */
function likeGradients(length: number): Float32Array {
  const random = new RandomStream(length, "gradients");
  return Float32Array.from({ length }, () => random.nextNormal() * 1e-3);
}

/** `values` with some that are no numbers, far apart. */
function withBad(values: Float32Array, bad: number): Float32Array {
  for (let i = 100; i < values.length; i += 3000) values[i] = bad;
  return values;
}

const kinds: Readonly<Record<string, (length: number) => Float32Array>> = {
  "of all magnitudes": ofAllMagnitudes,
  "like gradients": likeGradients,
  zeros: (length) => new Float32Array(length),
  "subnormal numbers and zeros of both signs": (length) =>
    Float32Array.from({ length }, (_, i) => (i - 50) * 2 ** -149 * (i % 3 === 0 ? -0 : 1)),
  "with infinities": (length) => withBad(ofAllMagnitudes(length), -Infinity),
  "with NaNs": (length) => withBad(ofAllMagnitudes(length), NaN),
};

interface Encoding {
  readonly codec: Codec;
  readonly op: AnyOp;
  readonly params: object;
}

async function assertHostBits(
  { codec, op, params }: Encoding,
  values: Float32Array,
  seed: number,
  target: WebGpuTarget = device!.target,
) {
  const isSeeded = op === int8ChunkEncode;
  const inputs = [f32(values.length), ...(isSeeded ? [i32(1)] : [])];
  const call = { inputs, outputs: op.infer(inputs, params), params };
  const chosen = chooseWebGpuKernel(op, call, target)!;
  const kernel: WebGpuKernel = { ...chosen, build: (call) => chosen.build(call, target) };
  const label = `${codec.name} of ${values.length} values`;
  const want = encodedWords(codec, values, seed);
  const [got] = await runCall(device!, kernel, { call, label }, [
    values,
    ...(isSeeded ? [Int32Array.of(seed)] : []),
  ]);
  const words = new Uint32Array(got!.buffer, got!.byteOffset, want.length);
  want.forEach((word, i) => {
    if (word >>> 0 !== words[i])
      assert.fail(`${label}: word ${i} is ${words[i]!.toString(16)}, not ${(word >>> 0).toString(16)}`);
  });
}

const encodings: readonly Encoding[] = [
  { codec: fp16, op: fp16ChunkEncode, params: { blockElements: FP16_BLOCK } },
  { codec: int8, op: int8ChunkEncode, params: { blockElements: INT8_BLOCK } },
];

for (const encoding of encodings)
  for (const [kind, valuesOf] of Object.entries(kinds))
    test(`${encoding.codec.name} of values ${kind}`, needsGpu, async () => {
      for (const [i, length] of LENGTHS.entries())
        await assertHostBits(encoding, valuesOf(length), 0x9e3779b9 * (i + 1));
    });

for (const encoding of encodings)
  test(`${encoding.codec.name} without subgroups`, needsGpu, async () => {
    const target = { ...device!.target, subgroupSize: undefined };
    await assertHostBits(encoding, ofAllMagnitudes(2304), 3, target);
  });

test("int8 of whole units, of which f64 misses some by its two roundings", needsGpu, async () => {
  const random = new RandomStream(5, "units");
  const values = new Float32Array(40 * INT8_BLOCK);
  let missed = 0;
  for (let begin = 0; begin < values.length; begin += INT8_BLOCK) {
    // The largest is 127 times a scale of few digits, and so are all others, times 2^-16.
    const scale = (2 * random.nextInt(2 ** 11) + 1) * 2 ** (random.nextInt(200) - 120);
    values[begin] = 127 * scale;
    for (let i = begin + 1; i < begin + INT8_BLOCK; i++) {
      const n = (random.nextInt(2 ** 13) - 2 ** 12) * 2 ** random.nextInt(11);
      values[i] = n * (scale / 2 ** 16);
      if (Math.floor(values[i]! * (2 ** 16 / scale)) !== n) missed++;
    }
  }
  assert.ok(missed > 50, `${missed}`);
  await assertHostBits(encodings[1]!, values, 7);
});

/** Steps of one piece: words, and the residual that goes on. */
async function assertHostSelection(sharePpm: number, steps: readonly Float32Array[]) {
  const codec = topK(sharePpm);
  const { length } = steps[0]!;
  const inputs = [f32(length), f32(length)];
  const params = { kept: keptOf(sharePpm, length) };
  const call = { inputs, outputs: topKChunkEncode.infer(inputs, params), params };
  const kernel = chooseWebGpuKernel(topKChunkEncode, call, device!.target)!;
  const label = `${codec.name} of ${length} values`;
  const residual = new Float32Array(length);
  let left = new Float32Array(length);
  for (const [step, values] of steps.entries()) {
    const encoded = encodeWithFeedback(codec, values, residual, roomFor(codec, length), 0);
    // In place, and not.
    const onInputs = step % 2 === 0 ? [2, 1] : [];
    const [words, rest] = await runCall(device!, kernel, { call, label }, [values, left], onInputs);
    left = rest!.slice();
    assert.deepEqual(new Int32Array(words!.slice().buffer), wordsOf(codec, encoded, length), label);
    residual.forEach((value, i) => {
      if (!Object.is(value, left[i])) assert.fail(`${label}: [${i}] leaves ${left[i]}, not ${value}`);
    });
  }
}

test(
  "top-k keeps of gradients what the host keeps, and leaves what it leaves, step after step",
  needsGpu,
  async () => {
    for (const [length, sharePpm] of [
      [64, 10_000],
      [5007, 500_000],
      [70_003, 10_000],
    ] as const)
      await assertHostSelection(sharePpm, [likeGradients(length), likeGradients(length)]);
  },
);

test("top-k keeps the first of equal magnitudes", needsGpu, async () => {
  const signs = Float32Array.from({ length: 9000 }, (_, i) => (i % 3 === 0 ? -1 : 1));
  const levels = Float32Array.from({ length: 9000 }, (_, i) => ((i * 7919) % 5) - 2);
  for (const sharePpm of [1, 450_000])
    for (const values of [signs, levels, new Float32Array(9000)])
      await assertHostSelection(sharePpm, [values]);
});

test("top-k keeps numbers that are none, or too large for bf16, as the host does", needsGpu, async () => {
  const values = likeGradients(9000);
  values.set([Infinity, -Infinity, NaN, 3.4e38, -3.4e38], 4000);
  await assertHostSelection(10_000, [values]);
});
