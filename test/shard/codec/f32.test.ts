import assert from "node:assert/strict";
import { test } from "node:test";
import { f32 } from "../../../src/shard/codec/f32.ts";
import { codecContract } from "../../contract/codec.ts";

codecContract(f32, 0);

test("NaN, infinities and negative zero pass unchanged", () => {
  const values = Float32Array.of(NaN, Infinity, -Infinity, -0, 1e-45);
  const out = new Float32Array(5);
  f32.decode(f32.encode(values), out);
  assert.deepEqual(out, values);
});
