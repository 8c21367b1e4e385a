import assert from "node:assert/strict";
import { test } from "node:test";
import { int8 } from "../../../src/shard/codec/int8.ts";
import { codecContract, decodeWith, encodeWith } from "../../contract/codec.ts";

codecContract(int8, 1 / 126);

test("a value is rounded up as often as it lies above the integer below, whatever its sign", () => {
  const values = new Float32Array(256).fill(2.25).fill(-2.25, 128).with(0, 127);
  const seeds = 200;
  const means = [0, 0];
  for (let seed = 0; seed < seeds; seed++) {
    const out = decodeWith(int8, encodeWith(int8, values, seed), 256);
    for (let i = 1; i < 256; i++) {
      assert.ok(Math.abs(out[i]!) === 2 || Math.abs(out[i]!) === 3);
      means[i < 128 ? 0 : 1]! += out[i]! / seeds / (i < 128 ? 127 : 128);
    }
  }
  // The standard deviation of these means is 0.003.
  assert.ok(Math.abs(means[0]! - 2.25) < 0.015 && Math.abs(means[1]! + 2.25) < 0.015, String(means));
});

test("another seed rounds otherwise", () => {
  const values = Float32Array.from({ length: 256 }, (_, i) => i / 255);
  const bytes = [1, 2].map((seed) => encodeWith(int8, values, seed).compressible);
  assert.notDeepEqual(bytes[0], bytes[1]);
});

test("a block with a NaN decodes to NaNs, its neighbours to numbers", () => {
  const out = decodeWith(int8, encodeWith(int8, new Float32Array(1200).fill(1).with(600, NaN)), 1200);
  out.forEach((value, i) => assert.equal(Number.isNaN(value), i >= 512 && i < 1024));
});
