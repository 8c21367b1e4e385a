// What every codec promises.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { RandomStream } from "../../src/random.ts";
import { type Codec, type Encoded, roomFor } from "../../src/shard/codec/codec.ts";

const lengths = [0, 1, 2, 3, 63, 64, 1000, 1029];

function valuesOf(length: number): Float32Array<ArrayBuffer> {
  const random = new RandomStream(5, "codec");
  return Float32Array.from({ length }, () => random.nextNormal());
}

/** The same bytes, `shift` bytes after a multiple of 8. */
function shifted(bytes: Uint8Array, shift: number): Uint8Array {
  const copy = new Uint8Array(bytes.byteLength + 8).subarray(shift, shift + bytes.byteLength);
  copy.set(bytes);
  return copy;
}

/** `tolerance` is the largest error relative to the largest value; a codec that says `exact` must give equal bits. */
export function codecContract(codec: Codec, tolerance: number): void {
  const encode = (values: Float32Array): Encoded => codec.encode(values, roomFor(codec, values.length), 0);

  describe(`codec contract: ${codec.name}`, () => {
    test("decode gives back what was encoded", () => {
      for (const length of lengths) {
        const values = valuesOf(length);
        const out = new Float32Array(length).fill(9);
        codec.decode(encode(values), out);
        const limit = tolerance * values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        values.forEach((value, i) => assert.ok(Math.abs(value - out[i]!) <= limit));
        if (codec.exact) assert.equal(Buffer.compare(Buffer.from(out.buffer), Buffer.from(values.buffer)), 0);
      }
    });

    test("what is encoded is accepted, within the size promised, and other sizes are not", () => {
      for (const length of lengths) {
        const { rest, compressible } = encode(valuesOf(length));
        assert.equal(rest.byteLength, codec.restBytes(length));
        assert.ok(codec.accepts(compressible.byteLength, length));
        assert.ok(compressible.byteLength <= codec.maxCompressibleBytes(length));
        assert.ok(!codec.accepts(codec.maxCompressibleBytes(length) + 1, length));
      }
    });

    test("the same values give the same bytes, also from shared memory and into memory that was used before", () => {
      const values = valuesOf(128);
      const shared = new Float32Array(new SharedArrayBuffer(1024), 64, 128);
      shared.set(values);
      const room = roomFor(codec, 128);
      room.rest.fill(0xff);
      room.compressible.fill(0xff);
      assert.deepEqual(codec.encode(shared, room, 0), encode(values));
    });

    test("accumulate sets the sums to what decode gives, or adds it, whatever the alignment", () => {
      for (const length of [100, 103]) {
        const { rest, compressible } = encode(valuesOf(length));
        const out = new Float32Array(length);
        codec.decode({ rest, compressible }, out);
        for (const shift of [0, 1, 2, 4]) {
          const encoded = {
            rest: shifted(rest, shift),
            compressible: shifted(compressible, (shift * 3) % 8),
          };
          const sums = new Float64Array(length).fill(0.5);
          codec.accumulate(encoded, sums, "add");
          assert.deepEqual(
            sums,
            Float64Array.from(out, (value) => 0.5 + value),
          );
          codec.accumulate(encoded, sums, "set");
          assert.deepEqual(sums, Float64Array.from(out));
          const again = new Float32Array(length);
          codec.decode(encoded, again);
          assert.deepEqual(again, out);
        }
      }
    });
  });
}
