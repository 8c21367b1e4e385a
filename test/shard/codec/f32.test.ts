import assert from "node:assert/strict";
import { test } from "node:test";
import { roomFor } from "../../../src/shard/codec/codec.ts";
import { f32 } from "../../../src/shard/codec/f32.ts";
import { codecContract } from "../../contract/codec.ts";

codecContract(f32, 0);

test("the parts are the values' own bytes", () => {
  const values = Float32Array.of(1, 2, 3).subarray(1);
  const { rest } = f32.encode(values, roomFor(f32, 2), 0);
  assert.equal(rest.buffer, values.buffer);
  assert.deepEqual([rest.byteOffset, rest.byteLength], [4, 8]);
});
