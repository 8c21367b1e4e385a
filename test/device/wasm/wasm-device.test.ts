import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Instruction, Plan, Program } from "../../../src/device/device.ts";
import { createWasmDevice } from "../../../src/device/wasm/wasm-device.ts";
import { ops } from "../../../src/kernels/ops/index.ts";
import { f32 } from "../../../src/kernels/tensor.ts";
import { doubling, doublingPlan, inVector } from "../../contract/device.ts";

const target = { relaxedSimd: true, wide: false };
const noPlan: Plan = { offsets: [-1, -1, -1], arenaElements: 0 };

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

  test("says what was asked for and what is left when memory ends", async () => {
    const device = await createWasmDevice({ target, maximumPages: 4 });
    device.alloc(1 << 15, "first");
    assert.throws(() => device.alloc(1 << 20, "second"), {
      code: "out-of-memory",
      message: /second needs 4\.0 MiB but 0\.1 MiB are in use and at most 0\.1 MiB are left/,
    });
    assert.equal(device.alloc(1 << 10, "third").elements, 1 << 10);
  });
});
