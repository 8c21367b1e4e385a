import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { createReferenceDevice } from "../../../src/device/reference/reference-device.ts";
import { doubling, doublingPlan as plan } from "../../contract/device.ts";

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

  test("a plan that reads what nobody wrote gives NaN, not yesterday's value", async () => {
    const device = createReferenceDevice({ precision: "f32" });
    const vectors = { a: device.alloc(64, "a"), y: device.alloc(64, "y") };
    const program = { ...doubling(), instructions: doubling().instructions.slice(1) };
    await (await device.compile(program, plan, vectors)).run();
    assert.ok(Number.isNaN((await device.readF32(vectors.y))[0]));
  });
});
