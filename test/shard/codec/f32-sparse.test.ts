import assert from "node:assert/strict";
import { test } from "node:test";
import { RandomStream } from "../../../src/random.ts";
import { roomFor } from "../../../src/shard/codec/codec.ts";
import { codecOf } from "../../../src/shard/codec/codecs.ts";
import { bf16 } from "../../../src/shard/codec/bf16.ts";
import { f32 } from "../../../src/shard/codec/f32.ts";
import { f32Planes } from "../../../src/shard/codec/f32-planes.ts";
import { mostNonZeros, smallerForm } from "../../../src/shard/codec/f32-sparse.ts";
import { addInOrder } from "../../../src/shard/simd/sums.ts";

/** `share` of the bits are random: NaN payloads, infinities and all. */
function sparse(length: number, share: number): Float32Array<ArrayBuffer> {
  const random = new RandomStream(5, "sparse", length);
  const bits = Uint32Array.from({ length }, () => (random.nextUniform() < share ? random.nextU32() | 1 : 0));
  return new Float32Array(bits.buffer);
}

const bitsOf = (values: Float32Array): Uint32Array =>
  new Uint32Array(values.buffer, values.byteOffset, values.length);

/** The same bytes, one byte behind a multiple of 8. */
const shifted = (bytes: Uint8Array): Uint8Array => Buffer.concat([Buffer.alloc(1), bytes]).subarray(1);

test("mostly zeros are written as what is not zero, every bit of it, whole and block by block", () => {
  for (const length of [1, 63, 2048, 2049, 70_000])
    for (const share of [0, 0.0005, 0.02, 0.5]) {
      const values = sparse(length, share);
      const codec = smallerForm(f32, values, true);
      if (codec === f32) {
        assert.ok(bitsOf(values).filter((bits) => bits !== 0).length > mostNonZeros(length));
        continue;
      }
      const written = codec.encode(values, roomFor(codec, length), 0);
      const writtenBytes = written.rest.byteLength + written.compressible.byteLength;
      assert.ok(writtenBytes < 4 * length, `${writtenBytes} bytes for ${length} values`);
      assert.ok(codec.accepts(written.compressible.byteLength, length));
      const read = codecOf(codec.id, codec.parameter);
      const encoded = { rest: shifted(written.rest), compressible: shifted(written.compressible) };
      const out = new Float32Array(length).fill(9);
      read.decode(encoded, out);
      assert.deepEqual(bitsOf(out), bitsOf(values));
      const sums = new Float64Array(length).fill(9);
      addInOrder({ length, addends: [read.reader(encoded, length)] }, { sums });
      assert.deepEqual(sums, Float64Array.from(values));
    }
});

test("a negative zero is kept", () => {
  const values = new Float32Array(100);
  values[31] = -0;
  const codec = smallerForm(f32, values, false);
  assert.equal(codec.parameter, 1);
  const out = new Float32Array(100);
  codec.decode(codec.encode(values, roomFor(codec, 100), 0), out);
  assert.ok(Object.is(out[31], -0) && Object.is(out[32], 0));
});

test("dense values, and those of codecs that round, stay in their form", () => {
  const dense = new Float32Array(5000).fill(0.25);
  for (const codec of [f32, f32Planes, bf16]) assert.equal(smallerForm(codec, dense, true), codec);
  const zeros = new Float32Array(5000);
  assert.equal(smallerForm(bf16, zeros, true), bf16);
  for (const codec of [f32, f32Planes]) assert.equal(smallerForm(codec, zeros, false).parameter, 0);
});

test("where bytes are cheap, values that are half zeros stay in their form", () => {
  const half = sparse(5000, 0.5);
  assert.equal(smallerForm(f32, half, false), f32);
  assert.notEqual(smallerForm(f32, half, true), f32);
  assert.notEqual(smallerForm(f32, sparse(5000, 0.1), false), f32);
});
