// What a device whose memory is not the host's promises beside what its kernels do.

import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import type { Plan, Program, ReadBack, Value } from "../../../src/device/device.ts";
import type { WebGpuDevice } from "../../../src/device/webgpu/webgpu-device.ts";
import { ops } from "../../../src/kernels/ops/index.ts";
import { f32 } from "../../../src/kernels/tensor.ts";
import { createTestGpu, needsGpu } from "../../support/gpu.ts";

const LENGTH = 200;

function inVector(vector: string): Value {
  return { type: f32(LENGTH), name: vector, place: { kind: "vector", vector, offset: 0 } };
}

/** y = a + a, then a = y * y, so that every run has another input. */
const program: Program = {
  values: [inVector("a"), inVector("y")],
  instructions: [
    { op: ops.add, params: {}, inputs: [0, 0], outputs: [1] },
    { op: ops.multiply, params: {}, inputs: [1, 1], outputs: [0] },
  ],
  vectors: { a: 256, y: 256 },
};
const plan: Plan = { offsets: [-1, -1], arenaElements: 0 };

suite("the webgpu device", needsGpu, () => {
  let device: WebGpuDevice;
  before(async () => {
    device = await createTestGpu();
  });
  after(() => device.destroy());

  const setUp = async () => {
    const vectors = { a: device.alloc(256, "a"), y: device.alloc(256, "y") };
    device.write(vectors.a, 0, Float32Array.of(1, -2, 0.5));
    return { ...vectors, step: await device.compile(program, plan, vectors) };
  };
  const firstOf = (values: Float32Array) => [...values.subarray(0, 4)];

  test("keeps one mirror of a vector, which threads can share", async () => {
    const { a, y, step } = await setUp();
    const mirror = device.mirror(y);
    assert.ok(mirror.buffer instanceof SharedArrayBuffer);
    assert.equal(mirror.length, y.elements);
    await step.run();
    assert.deepEqual(firstOf(mirror), [0, 0, 0, 0]);
    assert.equal(await device.readF32(y), mirror);
    assert.deepEqual(firstOf(mirror), [2, -4, 1, 0]);
    mirror.fill(3);
    device.write(a, 0, mirror);
    assert.deepEqual(firstOf(await device.readF32(a)), [3, 3, 3, 3]);
  });

  test("reads back what an instruction left, and not what came after it", async () => {
    const { a, y, step } = await setUp();
    const seen: [string, number[]][] = [];
    const readBack = (vector: typeof a, after: number): ReadBack => ({
      ...{ vector, after, begin: 1, end: 3 },
      ready: () => void seen.push([`${vector.label} after ${after}`, firstOf(device.mirror(vector))]),
    });
    await step.run({ readBacks: [readBack(a, 1), readBack(y, 1), readBack(a, 0)] });
    assert.deepEqual(seen, [
      ["a after 0", [0, -2, 0.5, 0]],
      ["a after 1", [0, 16, 1, 0]],
      ["y after 1", [0, -4, 1, 0]],
    ]);
  });

  test("waits for whoever was told, and fails as they do", async () => {
    const { y, step } = await setUp();
    let told = false;
    const whole = { vector: y, begin: 0, end: 3, after: 1 };
    const ready = async () => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      told = true;
    };
    await step.run({ readBacks: [{ ...whole, ready }] });
    assert.ok(told);
    const refuse = () => assert.fail("not this one");
    await assert.rejects(step.run({ readBacks: [{ ...whole, ready: refuse }] }), /not this one/);
  });

  test("runs in the order of the calls, with writes in between, however many are under way", async () => {
    const { a, y, step } = await setUp();
    const seen: number[] = [];
    const runs = Array.from({ length: device.runsUnderWay }, (_, i) => {
      device.write(a, 0, Float32Array.of(i));
      const ready = () => void seen.push(device.mirror(y)[0]!);
      return step.run({ readBacks: [{ vector: y, begin: 0, end: 1, after: 1, ready }] });
    });
    await assert.rejects(step.run(), /runs under way/);
    await Promise.all(runs);
    assert.deepEqual(
      seen,
      runs.map((_, i) => 2 * i),
    );
    await step.run();
  });

  test("reads back nothing of an empty stretch, and from an instruction without work", async () => {
    const vectors = { a: device.alloc(256, "a") };
    const nothing: Program = { values: [], instructions: [], vectors: { a: 256 } };
    const step = await device.compile(nothing, { offsets: [], arenaElements: 0 }, vectors);
    device.write(vectors.a, 0, Float32Array.of(5));
    let told = 0;
    const ready = () => {
      told++;
    };
    const at = { vector: vectors.a, begin: 0, after: 0, ready };
    await step.run({ readBacks: [{ ...at, end: 0 }] });
    await step.run({ readBacks: [{ ...at, end: 1 }] });
    assert.equal(told, 2);
    assert.equal(device.mirror(vectors.a)[0], 5);
  });

  test("refuses a vector and a tensor that are larger than the adapter can have", async () => {
    const { maxBufferSize, maxStorageBufferBindingSize } = device.limits;
    const tooMany = Math.floor(maxBufferSize / 4) + 64;
    assert.throws(() => device.alloc(tooMany, "the moon"), {
      code: "out-of-memory",
      message: /the moon needs .*GiB but a buffer of this adapter has at most/,
    });
    const elements = maxStorageBufferBindingSize / 4 + 64;
    if (elements > tooMany) return;
    const large = {
      type: f32(elements),
      name: "large",
      place: { kind: "vector", vector: "a", offset: 0 },
    } as const;
    const relu = { op: ops.relu, params: {}, inputs: [0], outputs: [0] };
    const one: Program = { values: [large], instructions: [relu], vectors: { a: elements } };
    const vectors = { a: device.alloc(elements, "a") };
    await assert.rejects(device.compile(one, { offsets: [-1], arenaElements: 0 }, vectors), {
      code: "out-of-memory",
      message: /large has .* but a kernel on this adapter reaches at most/,
    });
    device.free(vectors.a);
  });

  test("names the instruction whose operands WebGPU refuses", async () => {
    const { a, y } = await setUp();
    const beyond: Value = { ...inVector("a"), place: { kind: "vector", vector: "a", offset: 4096 } };
    const wrong: Program = { ...program, values: [beyond, inVector("y")] };
    await assert.rejects(
      device.compile(wrong, plan, { a, y }),
      /sltrain bug: WebGPU refused.*f32-add-webgpu@0/s,
    );
  });
});

test("a run of a device that goes away fails with that, and so does the next", needsGpu, async () => {
  const device = await createTestGpu();
  const vectors = { a: device.alloc(256, "a"), y: device.alloc(256, "y") };
  const step = await device.compile(program, plan, vectors);
  const readBacks: ReadBack[] = [{ vector: vectors.y, begin: 0, end: 1, after: 1 }];
  const underWay = step.run({ readBacks });
  assert.equal(device.isLost, false);
  device.destroy();
  await assert.rejects(underWay, { code: "device-lost" });
  await assert.rejects(step.run({ readBacks }), { code: "device-lost" });
  assert.equal(device.isLost, true);
});
