import assert from "node:assert/strict";
import { test } from "node:test";
import { RandomStream } from "../../../src/random.ts";
import { roomFor } from "../../../src/shard/codec/codec.ts";
import { f32Planes as f32 } from "../../../src/shard/codec/f32-planes.ts";
import { addInOrder } from "../../../src/shard/simd/sums.ts";
import { codecContract } from "../../contract/codec.ts";

codecContract(f32, 0);

test("every bit passes unchanged: NaN payloads, infinities, negative zero, denormals", () => {
  const special = [0, 0x80000000, 1, 0x807fffff, 0x7f800000, 0xff800000, 0x7fc00001, 0xffc12345, 0x7fffffff];
  const random = new RandomStream(4, "bits");
  for (const length of [9, 10, 11, 12, 5000]) {
    const bits = Uint32Array.from({ length }, (_, i) => special[i] ?? random.nextU32());
    const out = new Uint32Array(length);
    f32.decode(
      f32.encode(new Float32Array(bits.buffer), roomFor(f32, length), 0),
      new Float32Array(out.buffer),
    );
    assert.deepEqual(out, bits);
  }
});

test("sums that are set to encoded values keep negative zero, infinities and NaN", () => {
  const values = Float32Array.of(-0, 0, Infinity, -Infinity, NaN, 1e-45, -0);
  const sums = new Float64Array(7).fill(3);
  const addend = f32.reader(f32.encode(values, roomFor(f32, 7), 0), 7);
  addInOrder({ length: 7, addends: [addend] }, { sums });
  assert.deepEqual(sums, Float64Array.from(values));
});

test("the high bytes are what is compressible, the three others follow each other in the order of the values", () => {
  const values = new Float32Array(
    Uint32Array.of(0x04030201, 0x14131211, 0x24232221, 0x34333231, 0x44434241).buffer,
  );
  const { rest, compressible } = f32.encode(values, roomFor(f32, 5), 0);
  assert.deepEqual([...compressible], [0x04, 0x14, 0x24, 0x34, 0x44]);
  assert.equal(Buffer.from(rest).toString("hex"), "010203111213212223313233414243");
});
