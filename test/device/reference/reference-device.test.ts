import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Instruction, Program, ReadBack, Value } from "../../../src/device/device.ts";
import { createReferenceDevice } from "../../../src/device/reference/reference-device.ts";
import { ops } from "../../../src/kernels/ops/index.ts";
import type { AnyOp } from "../../../src/kernels/op.ts";
import { f32 } from "../../../src/kernels/tensor.ts";

/** y = a + a through a value in the arena; a and y lie in vectors of their own. */
function doubling(op: AnyOp = ops.add): Program {
  const value = (name: string, place: Value["place"]): Value => ({ type: f32(3), name, place });
  const vector = (name: string) => ({ kind: "vector", vector: name, offset: 0 }) as const;
  const instructions: Instruction[] = [
    { op, params: {}, inputs: [0, 0], outputs: [1] },
    { op: ops.relu, params: {}, inputs: [1], outputs: [2] },
  ];
  return {
    values: [value("a", vector("a")), value("sum", { kind: "arena" }), value("y", vector("y"))],
    instructions,
    vectors: { a: 64, y: 64 },
  };
}
const plan = { offsets: [-1, 0, -1], arenaElements: 64 };

suite("the reference device", () => {
  test("runs a program over its vectors, at both precisions", async () => {
    for (const precision of ["f32", "f64"] as const) {
      const device = createReferenceDevice({ precision });
      const vectors = { a: device.alloc(64, "a"), y: device.alloc(64, "y") };
      device.write(vectors.a, 0, Float32Array.of(1, -2, 3.5));
      await (await device.compile(doubling(), plan, vectors)).run();
      assert.deepEqual([...(await device.readF32(vectors.y)).subarray(0, 4)], [2, 0, 7, 0]);
    }
  });

  test("keeps float64 at f64 and rounds at f32", () => {
    for (const [precision, expected] of [
      ["f32", Math.fround(0.1)],
      ["f64", 0.1],
    ] as const) {
      const device = createReferenceDevice({ precision });
      const vector = device.alloc(4, "v");
      device.writeF64(vector, 1, Float64Array.of(0.1));
      assert.deepEqual([...device.readF64(vector)], [0, expected, 0, 0]);
    }
  });

  test("shows its memory itself at f32: writes to the view are seen", async () => {
    const device = createReferenceDevice({ precision: "f32" });
    const vectors = { a: device.alloc(64, "a"), y: device.alloc(64, "y") };
    (await device.readF32(vectors.a)).set([5, 6, 7]);
    await (await device.compile(doubling(), plan, vectors)).run();
    assert.deepEqual([...(await device.readF32(vectors.y)).subarray(0, 3)], [10, 12, 14]);
  });

  test("keeps the bits of integers", async () => {
    const device = createReferenceDevice({ precision: "f32" });
    const vector = device.alloc(2, "v");
    device.write(vector, 0, Int32Array.of(-7, 0x7fc00001));
    const view = await device.readF32(vector);
    assert.deepEqual([...new Int32Array(view.buffer, view.byteOffset, 2)], [-7, 0x7fc00001]);
  });

  test("tells of a read-back after its instruction, and waits for the answer", async () => {
    const device = createReferenceDevice({ precision: "f32" });
    const vectors = { a: device.alloc(64, "a"), y: device.alloc(64, "y") };
    device.write(vectors.a, 0, Float32Array.of(1, 1, 1));
    const y = await device.readF32(vectors.y);
    const seen: [number, number][] = [];
    const step = await device.compile(doubling(), plan, vectors);
    const readBack = (after: number): ReadBack => ({
      ...{ vector: vectors.y, begin: 0, end: 3, after },
      async ready() {
        await Promise.resolve();
        seen.push([after, y[0]!]);
      },
    });
    await step.run({ readBacks: [readBack(1), readBack(0)] });
    assert.deepEqual(seen, [
      [0, 0],
      [1, 2],
    ]);
  });

  test("a plan that reads what nobody wrote gives NaN, not yesterday's value", async () => {
    const device = createReferenceDevice({ precision: "f32" });
    const vectors = { a: device.alloc(64, "a"), y: device.alloc(64, "y") };
    const program = { ...doubling(), instructions: doubling().instructions.slice(1) };
    await (await device.compile(program, plan, vectors)).run();
    assert.ok(Number.isNaN((await device.readF32(vectors.y))[0]));
  });

  test("refuses an op without a kernel, naming op and shapes", async () => {
    const device = createReferenceDevice({ precision: "f32" });
    const vectors = { a: device.alloc(64, "a"), y: device.alloc(64, "y") };
    await assert.rejects(device.compile(doubling({ ...ops.add, name: "subtract" }), plan, vectors), {
      code: "kernel-missing",
      message: "reference device: no kernel for subtract(f32[3], f32[3])",
    });
  });

  test("refuses vectors that are missing or too short", async () => {
    const device = createReferenceDevice({ precision: "f32" });
    const a = device.alloc(64, "a");
    await assert.rejects(device.compile(doubling(), plan, { a }), {
      code: "vector-too-small",
      message: /64 .* y but got no such vector/,
    });
    await assert.rejects(device.compile(doubling(), plan, { a, y: device.alloc(3, "y") }), {
      code: "vector-too-small",
      message: /but got 3/,
    });
  });
});
