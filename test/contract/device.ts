// What every device promises, apart from what its kernels compute: where values lie, what a step sees, what is refused.

import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import type { Device, DeviceVector, Plan, Program, ReadBack, Value } from "../../src/device/device.ts";
import type { AnyOp } from "../../src/kernels/op.ts";
import { ops } from "../../src/kernels/ops/index.ts";
import { f32, i32, type TensorType } from "../../src/kernels/tensor.ts";

type Vectors = Readonly<Record<string, DeviceVector>>;

export function inVector(vector: string, type: TensorType, offset = 0): Value {
  return { type, name: vector, place: { kind: "vector", vector, offset } };
}

export function inArena(name: string, type: TensorType): Value {
  return { type, name, place: { kind: "arena" } };
}

/** y = relu(op(a, a)), with op's result in the arena. */
export function doubling(op: AnyOp = ops.add): Program {
  return {
    values: [inVector("a", f32(3)), inArena("sum", f32(3)), inVector("y", f32(3))],
    instructions: [
      { op, params: {}, inputs: [0, 0], outputs: [1] },
      { op: ops.relu, params: {}, inputs: [1], outputs: [2] },
    ],
    vectors: { a: 64, y: 64 },
  };
}
export const doublingPlan: Plan = { offsets: [-1, 0, -1], arenaElements: 64 };

/** y = a + a, then a = y y: every run has another input. */
const squaring: Program = {
  values: [inVector("a", f32(3)), inVector("y", f32(3))],
  instructions: [
    { op: ops.add, params: {}, inputs: [0, 0], outputs: [1] },
    { op: ops.multiply, params: {}, inputs: [1, 1], outputs: [0] },
  ],
  vectors: { a: 64, y: 64 },
};

function nothingInArena(program: Program): Plan {
  return { offsets: program.values.map(() => -1), arenaElements: 0 };
}

/** `create` makes a device of its own for the suite; `options` are node:test's, for a device that may be missing. */
export function deviceContract(
  name: string,
  create: () => Promise<Device> | Device,
  options: { readonly skip: string | false } = { skip: false },
): void {
  suite(`the ${name} device keeps the contract`, options, () => {
    let device: Device;
    before(async () => {
      device = await create();
    });
    after(() => device.destroy());

    const allocate = (...names: string[]): Vectors =>
      Object.fromEntries(names.map((label) => [label, device.alloc(64, label)]));
    const firstOf = async (vector: DeviceVector, count = 4) => [
      ...(await device.readF32(vector)).subarray(0, count),
    ];
    /** Compiled over vectors of its own, of which `a` begins with 1, -2, 3.5. */
    const compiled = async (program: Program, plan: Plan = nothingInArena(program)) => {
      const vectors = allocate("a", "y");
      device.write(vectors["a"]!, 0, Float32Array.of(1, -2, 3.5));
      return { a: vectors["a"]!, y: vectors["y"]!, step: await device.compile(program, plan, vectors) };
    };

    test("runs a program over its vectors and its arena", async () => {
      const { a, y, step } = await compiled(doubling(), doublingPlan);
      await step.run();
      assert.deepEqual(await firstOf(y), [2, 0, 7, 0]);
      assert.deepEqual(await firstOf(a), [1, -2, 3.5, 0]);
      assert.equal(step.arenaBytes, 256);
      assert.match(step.kernelNames[0]!, /\badd\b/);
      assert.match(step.kernelNames[1]!, /\brelu\b/);
    });

    test("gives vectors of zeros, each with a mirror for its life", async () => {
      const vector = device.alloc(1000, "zeros");
      const mirror = device.mirror(vector);
      assert.equal(mirror.length, 1000);
      assert.ok((await device.readF32(vector)).every((value) => value === 0));
      device.alloc(1 << 20, "another");
      device.write(vector, 997, Float32Array.of(1, 2, 3));
      assert.deepEqual([...(await device.readF32(vector)).subarray(996)], [0, 1, 2, 3]);
      assert.deepEqual([...mirror.subarray(996)], [0, 1, 2, 3]);
    });

    test("keeps the bits of integers, and writes where it is told", async () => {
      const vector = device.alloc(4, "v");
      device.write(vector, 2, Int32Array.of(-7, 0x7fc00001));
      const { buffer, byteOffset, length } = await device.readF32(vector);
      assert.deepEqual([...new Int32Array(buffer, byteOffset, length)], [0, 0, -7, 0x7fc00001]);
      const tooMany = /write of 2 elements at 3 into v, which has 4/;
      assert.throws(() => device.write(vector, 3, new Float32Array(2)), tooMany);
    });

    test("lets values lie side by side in one vector, and leaves what lies between and behind them", async () => {
      const program: Program = {
        values: [
          inVector("a", f32(3)),
          inVector("y", f32(3), 64),
          inVector("y", f32(1, 65), 192),
          inVector("y", f32(65)),
        ],
        instructions: [
          { op: ops.relu, params: {}, inputs: [0], outputs: [1] },
          { op: ops.relu, params: {}, inputs: [3], outputs: [2] },
        ],
        vectors: { a: 64, y: 320 },
      };
      const vectors = { a: device.alloc(64, "a"), y: device.alloc(320, "y") };
      device.write(vectors.a, 0, Float32Array.of(1, -2, 3.5, 9));
      const before = Float32Array.from({ length: 320 }, (_, i) => i - 20);
      device.write(vectors.y, 0, before);
      const step = await device.compile(program, nothingInArena(program), vectors);
      await step.run();
      const expected = before.slice();
      expected.set([1, 0, 3.5], 64);
      expected.set(
        expected.subarray(0, 65).map((value) => Math.max(value, 0)),
        192,
      );
      assert.deepEqual([...(await device.readF32(vectors.y))], [...expected]);
    });

    test("computes in place what may be, in a vector and in the arena", async () => {
      const program: Program = {
        values: [
          inVector("a", f32(3)),
          inArena("sum", f32(3)),
          inArena("squares", f32(3)),
          inVector("y", f32(3)),
        ],
        instructions: [
          { op: ops.relu, params: {}, inputs: [0], outputs: [0] },
          { op: ops.add, params: {}, inputs: [0, 0], outputs: [1] },
          { op: ops.multiply, params: {}, inputs: [1, 1], outputs: [2] },
          { op: ops.add, params: {}, inputs: [2, 0], outputs: [3] },
        ],
        vectors: { a: 64, y: 64 },
      };
      const plan: Plan = { offsets: [-1, 64, 64, -1], arenaElements: 128 };
      const { a, y, step } = await compiled(program, plan);
      await step.run();
      assert.deepEqual(await firstOf(a), [1, 0, 3.5, 0]);
      assert.deepEqual(await firstOf(y), [5, 0, 52.5, 0]);
    });

    test("takes nothing for a view in place, and copies where its output has a place of its own", async () => {
      const program: Program = {
        values: [inVector("a", f32(1, 3)), inVector("a", f32(3)), inVector("y", f32(3, 1))],
        instructions: [
          { op: ops.reshape, params: { shape: [3] }, inputs: [0], outputs: [1] },
          { op: ops.reshape, params: { shape: [3, 1] }, inputs: [1], outputs: [2] },
        ],
        vectors: { a: 64, y: 64 },
      };
      const { a, y, step } = await compiled(program);
      device.write(a, 3, Float32Array.of(8));
      await step.run();
      assert.deepEqual(step.kernelNames, [undefined, undefined]);
      assert.deepEqual(await firstOf(y), [1, -2, 3.5, 0]);
    });

    test("sees in a run what was written and what earlier runs left, and nothing else", async () => {
      const { a, y, step } = await compiled(squaring);
      await step.run();
      await step.run();
      assert.deepEqual(await firstOf(y), [8, 32, 98, 0]);
      device.write(a, 1, Float32Array.of(0.25));
      await step.run();
      assert.deepEqual(await firstOf(y), [128, 0.5, 19208, 0]);
    });

    test("lets steps share vectors: one goes on from what the other left", async () => {
      const { a, y, step } = await compiled(squaring);
      const other = await device.compile(doubling(), doublingPlan, { a, y });
      await step.run();
      await other.run();
      assert.deepEqual(await firstOf(a), [4, 16, 49, 0]);
      assert.deepEqual(await firstOf(y), [8, 32, 98, 0]);
    });

    test("keeps steps apart that share the arena and were compiled for different ones", async () => {
      const { a, y, step: small } = await compiled(doubling(), doublingPlan);
      const larger: Plan = { offsets: [-1, 1 << 16, -1], arenaElements: (1 << 16) + 64 };
      const large = await device.compile(doubling(), larger, { a, y });
      for (const step of [small, large, small]) {
        device.write(y, 0, new Float32Array(3));
        await step.run();
        assert.deepEqual(await firstOf(y), [2, 0, 7, 0]);
      }
    });

    test("gives equal bits run after run, and compiled again", async () => {
      const [rows, columns] = [3001, 6];
      const [x, vector] = [f32(rows, columns), f32(columns)];
      const program: Program = {
        values: [
          inVector("x", x),
          inVector("gamma", vector),
          inVector("beta", vector),
          inVector("y", x),
          ...["mean", "variance", "rstd"].map((name) => inVector(name, vector)),
        ],
        instructions: [
          {
            op: ops["batch-norm"],
            params: { epsilon: 1e-3, activation: "relu" },
            inputs: [0, 1, 2],
            outputs: [3, 4, 5, 6],
          },
        ],
        vectors: {
          ...{ x: rows * columns, gamma: columns, beta: columns, y: rows * columns },
          ...{ mean: columns, variance: columns, rstd: columns },
        },
      };
      const vectors: Vectors = Object.fromEntries(
        Object.entries(program.vectors).map(([label, elements]) => [label, device.alloc(elements, label)]),
      );
      const values = Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i * i));
      device.write(vectors["x"]!, 0, values);
      device.write(vectors["gamma"]!, 0, new Float32Array(columns).fill(1));
      const bits: Int32Array[] = [];
      for (let compilation = 0; compilation < 2; compilation++) {
        const step = await device.compile(program, nothingInArena(program), vectors);
        for (let run = 0; run < 2; run++) {
          device.write(vectors["y"]!, 0, new Float32Array(rows * columns));
          await step.run();
          bits.push(new Int32Array((await device.readF32(vectors["y"]!)).slice().buffer));
        }
      }
      assert.ok(bits[0]!.some((word) => word !== 0));
      for (const again of bits.slice(1)) assert.deepEqual(again, bits[0]);
    });

    test("reads back what an instruction left and not what came after it, and waits for whoever was told", async () => {
      const { a, y, step } = await compiled(squaring);
      const seen: [string, number[]][] = [];
      const readBack = (vector: DeviceVector, after: number): ReadBack => ({
        ...{ vector, after, begin: 1, end: 3 },
        async ready() {
          const found = [...device.mirror(vector).subarray(1, 3)];
          await new Promise((resolve) => setTimeout(resolve, 2));
          seen.push([`${vector.label} after ${after}`, found]);
        },
      });
      await step.run({ readBacks: [readBack(a, 1), readBack(a, 0), readBack(y, 0)] });
      assert.deepEqual(
        seen.toSorted(([one], [other]) => one.localeCompare(other)),
        [
          ["a after 0", [-2, 3.5]],
          ["a after 1", [16, 49]],
          ["y after 0", [-4, 7]],
        ],
      );
      const refuse = () => assert.fail("not this one");
      await assert.rejects(step.run({ readBacks: [{ ...readBack(y, 1), ready: refuse }] }), /not this one/);
    });

    test("runs in the order of the calls as many as may be under way, and refuses one more", async () => {
      const { a, y, step } = await compiled(squaring);
      const seen: number[] = [];
      const runs = Array.from({ length: device.runsUnderWay }, (_, i) => {
        device.write(a, 0, Float32Array.of(i));
        const ready = () => {
          seen.push(device.mirror(y)[0]!);
          return Promise.resolve();
        };
        return step.run({ readBacks: [{ vector: y, begin: 0, end: 1, after: 0, ready }] });
      });
      await assert.rejects(step.run(), /sltrain bug/);
      await Promise.all(runs);
      assert.deepEqual(
        seen,
        runs.map((_, i) => 2 * i),
      );
      await step.run();
    });

    test("gives no loss that is a number for a label that is no class", async () => {
      const program: Program = {
        values: [
          inVector("logits", f32(2, 3)),
          inVector("labels", i32(2)),
          ...["loss", "correct"].map((name) => inVector(name, f32(1))),
        ],
        instructions: [{ op: ops["softmax-cross-entropy"], params: {}, inputs: [0, 1], outputs: [2, 3] }],
        vectors: { logits: 64, labels: 64, loss: 64, correct: 64 },
      };
      const vectors = allocate("logits", "labels", "loss", "correct");
      const step = await device.compile(program, nothingInArena(program), vectors);
      for (const [label, known] of [
        [2, true],
        [3, false],
        [-1, false],
      ] as const) {
        device.write(vectors["labels"]!, 0, Int32Array.of(1, label));
        // The reference refuses it outright.
        const ran = await step.run().then(
          () => true,
          () => device.name !== "reference",
        );
        const [loss] = await firstOf(vectors["loss"]!);
        assert.equal(ran && Number.isFinite(loss), known, `label ${label}`);
      }
    });

    test("refuses an op that it has no kernel for, naming it and its operands", async () => {
      const vectors = allocate("a", "y");
      await assert.rejects(
        device.compile(doubling({ ...ops.add, name: "subtract" }), doublingPlan, vectors),
        {
          code: "kernel-missing",
          message: `${device.name} device: no kernel for subtract(f32[3], f32[3])`,
        },
      );
    });

    test("refuses vectors that are missing or too small for the program", async () => {
      const { a } = allocate("a");
      await assert.rejects(device.compile(doubling(), doublingPlan, { a: a! }), {
        code: "vector-too-small",
        message: `${device.name} device: the program needs 64 elements in y but got no such vector`,
      });
      await assert.rejects(device.compile(doubling(), doublingPlan, { a: a!, y: device.alloc(3, "y") }), {
        code: "vector-too-small",
        message: /64 elements in y but got 3/,
      });
    });

    test("refuses a vector that is not its own", async () => {
      const { a } = allocate("a");
      const strange: DeviceVector = { elements: 64, label: "y" };
      const notOwn = new RegExp(`vector y is not of this ${device.name} device`);
      await assert.rejects(device.compile(doubling(), doublingPlan, { a: a!, y: strange }), notOwn);
      assert.throws(() => device.write(strange, 0, new Float32Array(1)), notOwn);
      assert.throws(() => device.mirror(strange), notOwn);
    });
  });
}
