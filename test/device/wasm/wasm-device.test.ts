import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Instruction, Plan, Program, ReadBack, Value } from "../../../src/device/device.ts";
import { createWasmDevice } from "../../../src/device/wasm/wasm-device.ts";
import { ops } from "../../../src/kernels/ops/index.ts";
import type { AnyOp } from "../../../src/kernels/op.ts";
import { f32, i32, type TensorType } from "../../../src/kernels/tensor.ts";

const target = { relaxedSimd: true, wide: false };
const noPlan: Plan = { offsets: [-1, -1, -1], arenaElements: 0 };

function inVector(vector: string, type: TensorType, offset = 0): Value {
  return { type, name: vector, place: { kind: "vector", vector, offset } };
}

/** y = relu(a + a), with the sum in the arena. */
function doubling(op: AnyOp = ops.add): Program {
  const instructions: Instruction[] = [
    { op, params: {}, inputs: [0, 0], outputs: [1] },
    { op: ops.relu, params: {}, inputs: [1], outputs: [2] },
  ];
  const sum: Value = { type: f32(3), name: "sum", place: { kind: "arena" } };
  return {
    values: [inVector("a", f32(3)), sum, inVector("y", f32(3))],
    instructions,
    vectors: { a: 64, y: 64 },
  };
}
const doublingPlan: Plan = { offsets: [-1, 0, -1], arenaElements: 64 };

/** y = a b, [size x size] */
function product(size: number): Program {
  const type = f32(size, size);
  const vectors = { a: size * size, b: size * size, y: size * size };
  const instruction: Instruction = {
    op: ops.matmul,
    params: { transposeA: false, transposeB: false },
    inputs: [0, 1],
    outputs: [2],
  };
  const values = ["a", "b", "y"].map((name) => inVector(name, type));
  return { values, instructions: [instruction], vectors };
}

suite("the wasm device", () => {
  test("runs a program over its vectors and its arena", async () => {
    const device = await createWasmDevice({ target });
    const vectors = { a: device.alloc(64, "a"), y: device.alloc(64, "y") };
    device.write(vectors.a, 0, Float32Array.of(1, -2, 3.5));
    const step = await device.compile(doubling(), doublingPlan, vectors);
    await step.run();
    assert.deepEqual([...(await device.readF32(vectors.y)).subarray(0, 4)], [2, 0, 7, 0]);
    assert.deepEqual(step.kernelNames, ["f32-add-wasm", "f32-relu-wasm"]);
    assert.equal(step.arenaBytes, 256);
  });

  test("shows its memory itself, for as long as the memory grows", async () => {
    const device = await createWasmDevice({ target });
    const vectors = { a: device.alloc(64, "a"), y: device.alloc(64, "y") };
    const [a, y] = [await device.readF32(vectors.a), await device.readF32(vectors.y)];
    const large = device.alloc(1 << 20, "large");
    a.set([5, 6, 7]);
    await (await device.compile(doubling(), doublingPlan, vectors)).run();
    assert.deepEqual([...y.subarray(0, 3)], [10, 12, 14]);
    const view = await device.readF32(large);
    assert.ok(view.length === 1 << 20 && view.every((value) => value === 0));
  });

  test("keeps steps apart that share the arena and were compiled for different ones", async () => {
    const device = await createWasmDevice({ target });
    const vectors = { a: device.alloc(64, "a"), y: device.alloc(64, "y") };
    device.write(vectors.a, 0, Float32Array.of(1, 2, 3));
    const small = await device.compile(doubling(), doublingPlan, vectors);
    const larger: Plan = { offsets: [-1, 1 << 16, -1], arenaElements: (1 << 16) + 64 };
    const large = await device.compile(doubling(), larger, vectors);
    for (const step of [small, large, small]) {
      device.write(vectors.y, 0, new Float32Array(3));
      await step.run();
      assert.deepEqual([...(await device.readF32(vectors.y)).subarray(0, 3)], [2, 4, 6]);
    }
  });

  test("keeps the bits of integers, and writes where it is told", async () => {
    const device = await createWasmDevice({ target });
    const vector = device.alloc(4, "v");
    device.write(vector, 2, Int32Array.of(-7, 0x7fc00001));
    const view = await device.readF32(vector);
    const bits = new Int32Array(view.buffer, view.byteOffset, view.length);
    assert.deepEqual([...bits], [0, 0, -7, 0x7fc00001]);
    assert.throws(() => device.write(vector, 3, new Float32Array(2)), /2 elements at 3 into v, which has 4/);
  });

  test("gives way to the event loop during one long instruction, and its slices make no difference", async () => {
    const size = 1100;
    const bits = [];
    for (const wide of [false, true]) {
      const device = await createWasmDevice({ target: { relaxedSimd: true, wide } });
      const program = product(size);
      const vectors = {
        a: device.alloc(size * size, "a"),
        b: device.alloc(size * size, "b"),
        y: device.alloc(size * size, "y"),
      };
      for (const vector of [vectors.a, vectors.b])
        (await device.readF32(vector)).forEach((_, i, all) => (all[i] = ((i * 389) % 1009) / 1009 - 0.5));
      const step = await device.compile(program, noPlan, vectors);
      let turns = 0;
      const turn = setInterval(() => turns++, 0);
      for (let run = 0; run < 2; run++) await step.run();
      clearInterval(turn);
      assert.ok(turns > 0, "no timer fired while the step ran");
      const y = await device.readF32(vectors.y);
      bits.push(new Int32Array(y.slice().buffer));
    }
    assert.deepEqual(bits[0], bits[1]);
  });

  test("tells of a read-back after its instruction, and waits for the answer", async () => {
    const device = await createWasmDevice({ target });
    const vectors = { a: device.alloc(64, "a"), y: device.alloc(64, "y") };
    device.write(vectors.a, 0, Float32Array.of(1, 2, 3));
    const step = await device.compile(doubling(), doublingPlan, vectors);
    const y = await device.readF32(vectors.y);
    const seen: [number, number][] = [];
    const readBack = (after: number): ReadBack => ({
      ...{ vector: vectors.y, begin: 0, end: 3, after },
      async ready() {
        const before = y[0]!;
        await new Promise((resolve) => setTimeout(resolve, 2));
        assert.equal(y[0], before);
        seen.push([after, before]);
      },
    });
    await step.run({ readBacks: [readBack(1), readBack(0)] });
    assert.deepEqual(seen, [
      [0, 0],
      [1, 2],
    ]);
  });

  test("views cost nothing in place, and copy where their output has a place of its own", async () => {
    const device = await createWasmDevice({ target });
    const vectors = { a: device.alloc(64, "a"), y: device.alloc(64, "y") };
    device.write(vectors.a, 0, Float32Array.of(1, 2, 3, 4, 5, 6));
    const program: Program = {
      values: [inVector("a", f32(2, 3)), inVector("a", f32(6)), inVector("y", f32(3, 2))],
      instructions: [
        { op: ops.reshape, params: { shape: [6] }, inputs: [0], outputs: [1] },
        { op: ops.reshape, params: { shape: [3, 2] }, inputs: [1], outputs: [2] },
      ],
      vectors: { a: 64, y: 64 },
    };
    const step = await device.compile(program, noPlan, vectors);
    await step.run();
    assert.deepEqual(step.kernelNames, [undefined, undefined]);
    assert.deepEqual([...(await device.readF32(vectors.y)).subarray(0, 6)], [1, 2, 3, 4, 5, 6]);
  });

  test("refuses an op that it has no kernel for, naming it and its operands", async () => {
    const device = await createWasmDevice({ target });
    const vectors = { a: device.alloc(64, "a"), y: device.alloc(64, "y") };
    await assert.rejects(device.compile(doubling({ ...ops.add, name: "subtract" }), doublingPlan, vectors), {
      code: "kernel-missing",
      message: "wasm device: no kernel for subtract(f32[3], f32[3])",
    });
  });

  test("refuses vectors that are missing or too small for the program", async () => {
    const device = await createWasmDevice({ target });
    const a = device.alloc(64, "a");
    for (const vectors of [{ a }, { a, y: device.alloc(2, "y") }])
      await assert.rejects(device.compile(doubling(), doublingPlan, vectors), { code: "vector-too-small" });
  });

  test("says what was asked for and what is left when memory ends", async () => {
    const device = await createWasmDevice({ target, maximumPages: 4 });
    device.alloc(1 << 15, "first");
    assert.throws(() => device.alloc(1 << 20, "second"), {
      code: "out-of-memory",
      message: /second needs 4\.0 MiB but 0\.1 MiB are in use and at most 0\.1 MiB are left/,
    });
    assert.equal(device.alloc(1 << 10, "third").elements, 1 << 10);
  });

  test("turns a label that is no class into a loss that is no number", async () => {
    const device = await createWasmDevice({ target });
    const values = [
      inVector("logits", f32(2, 3)),
      inVector("labels", i32(2)),
      inVector("loss", f32(1)),
      inVector("correct", f32(1)),
    ];
    const program: Program = {
      values,
      instructions: [{ op: ops["softmax-cross-entropy"], params: {}, inputs: [0, 1], outputs: [2, 3] }],
      vectors: Object.fromEntries(values.map(({ name }) => [name, 64])),
    };
    const vectors = Object.fromEntries(values.map(({ name }) => [name, device.alloc(64, name)]));
    device.write(vectors["labels"]!, 0, Int32Array.of(1, 3));
    await (await device.compile(program, { offsets: [-1, -1, -1, -1], arenaElements: 0 }, vectors)).run();
    assert.ok(Number.isNaN((await device.readF32(vectors["loss"]!))[0]));
  });
});
