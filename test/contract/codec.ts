// What every codec promises.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { RandomStream } from "../../src/random.ts";
import { type Codec, type Encoded, roomFor } from "../../src/shard/codec/codec.ts";
import { codecOf } from "../../src/shard/codec/codecs.ts";
import { addInOrder } from "../../src/shard/simd/sums.ts";

const lengths = [0, 1, 2, 3, 5, 63, 64, 255, 1000, 1029, 5000];
const magnitudes = [1, 1e-30, 1e30];

function valuesOf(length: number, magnitude = 1): Float32Array<ArrayBuffer> {
  const random = new RandomStream(5, "codec");
  return Float32Array.from({ length }, () => random.nextNormal() * magnitude);
}

/** The same bytes, `shift` bytes after a multiple of 8. */
function shifted(bytes: Uint8Array, shift: number): Uint8Array {
  const copy = new Uint8Array(bytes.byteLength + 8).subarray(shift, shift + bytes.byteLength);
  copy.set(bytes);
  return copy;
}

const norm = (values: Float32Array): number => Math.hypot(...values);
const largest = (values: Float32Array): number =>
  values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

export function encodeWith(codec: Codec, values: Float32Array, seed = 0): Encoded {
  return codec.encode(values, roomFor(codec, values.length), seed);
}

export function decodeWith(codec: Codec, encoded: Encoded, length: number): Float32Array<ArrayBuffer> {
  const out = new Float32Array(length).fill(9);
  codec.decode(encoded, out);
  return out;
}

/**
 * Of `codec` and what it says of itself; `tolerance` is the largest error relative to the largest value. It holds as well
 * for the codec's shuffled form, which must decode to the same bits.
 */
export function codecContract(codec: Codec, tolerance: number): void {
  singleContract(codec, codec.name, tolerance);
  if (codec.shuffled === undefined) return;
  const { shuffled } = codec;
  singleContract(shuffled, `${codec.name} shuffled`, tolerance);
  test(`${codec.name} shuffled decodes to the same bits and has another number`, () => {
    assert.notEqual(shuffled.id, codec.id);
    for (const length of lengths) {
      const values = valuesOf(length);
      const plain = decodeWith(codec, encodeWith(codec, values, 7), length);
      assert.deepEqual(decodeWith(shuffled, encodeWith(shuffled, values, 7), length), plain);
    }
  });
}

function singleContract(codec: Codec, name: string, tolerance: number): void {
  const roundTrip = (values: Float32Array, seed = 0) =>
    decodeWith(codec, encodeWith(codec, values, seed), values.length);

  describe(`codec contract: ${name}`, () => {
    test("decode gives back what was encoded, within the tolerance, whatever the magnitude", () => {
      for (const length of lengths) {
        for (const magnitude of magnitudes) {
          const values = valuesOf(length, magnitude);
          const before = values.slice();
          const out = roundTrip(values, length);
          assert.deepEqual(values, before);
          const limit = tolerance * largest(values);
          values.forEach((value, i) => assert.ok(Math.abs(value - out[i]!) <= limit, `${value}: ${out[i]!}`));
          if (codec.exact)
            assert.equal(Buffer.compare(Buffer.from(out.buffer), Buffer.from(values.buffer)), 0);
        }
      }
    });

    test("zeros stay zeros, and denormal numbers stay small", () => {
      assert.deepEqual(roundTrip(new Float32Array(1029)), new Float32Array(1029));
      const tiny = valuesOf(1029, 1e-41);
      assert.ok(largest(roundTrip(tiny)) <= 2 ** -126);
    });

    test("an infinity or a NaN is never made a number", () => {
      for (const bits of [0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001, 0xffffffff]) {
        for (const at of [0, 700, 1028]) {
          const values = valuesOf(1029);
          new Uint32Array(values.buffer)[at] = bits;
          const out = roundTrip(values);
          assert.ok(!Number.isFinite(out[at]!), `${values[at]!} became ${out[at]!}`);
          if (Number.isNaN(values[at])) assert.ok(out.some(Number.isNaN));
        }
      }
    });

    test("what is encoded is accepted, within the size promised, and other sizes are not", () => {
      for (const length of lengths) {
        const { rest, compressible } = encodeWith(codec, valuesOf(length));
        assert.equal(rest.byteLength, codec.restBytes(length));
        assert.ok(codec.accepts(compressible.byteLength, length));
        assert.ok(compressible.byteLength <= codec.maxCompressibleBytes(length));
        assert.ok(!codec.accepts(codec.maxCompressibleBytes(length) + 1, length));
      }
    });

    test("the same values and seed give the same bytes, also from shared memory and into memory that was used before", () => {
      for (const length of [125, 128]) {
        const values = valuesOf(length);
        const shared = new Float32Array(new SharedArrayBuffer(1024), 64, length);
        shared.set(values);
        const room = roomFor(codec, length);
        room.rest.fill(0xff);
        room.compressible.fill(0xff);
        const { rest, compressible } = codec.encode(shared, room, 3);
        const expected = encodeWith(codec, values, 3);
        assert.equal(Buffer.compare(rest, expected.rest), 0);
        assert.equal(Buffer.compare(compressible, expected.compressible), 0);
      }
    });

    test("a sum of encoded values is the sum of what decode gives, whatever the alignment", () => {
      for (const length of [100, 103, 1100, 5000]) {
        const { rest, compressible } = encodeWith(codec, valuesOf(length));
        const out = decodeWith(codec, { rest, compressible }, length);
        for (const shift of [0, 1, 2, 4]) {
          const encoded = {
            rest: shifted(rest, shift),
            compressible: shifted(compressible, (shift * 3) % 8),
          };
          const sums = new Float64Array(length).fill(0.5);
          addInOrder({ length, addends: [sums, codec.reader(encoded, length)] }, { sums });
          assert.deepEqual(
            sums,
            Float64Array.from(out, (value) => 0.5 + value),
          );
          addInOrder({ length, addends: [codec.reader(encoded, length)] }, { sums });
          assert.deepEqual(sums, Float64Array.from(out));
          assert.deepEqual(decodeWith(codec, encoded, length), out);
        }
      }
    });

    test("its number and parameter, which frames carry, tell how to decode", () => {
      const values = valuesOf(1029);
      const found = codecOf(codec.id, codec.parameter);
      assert.equal(found.name, codec.name);
      assert.deepEqual(decodeWith(found, encodeWith(codec, values), 1029), roundTrip(values));
    });

    if (codec.biased) {
      test("subtract leaves the error, which is smaller than the values", () => {
        for (const length of lengths.slice(1)) {
          const values = valuesOf(length);
          const encoded = encodeWith(codec, values);
          const error = values.slice();
          codec.subtract(encoded, error);
          const out = decodeWith(codec, encoded, length);
          assert.deepEqual(
            error,
            values.map((value, i) => value - out[i]!),
          );
          assert.ok(norm(error) < norm(values));
        }
      });
    } else {
      test("the mean of many encodings comes near to what was encoded", () => {
        const values = valuesOf(300);
        const sums = new Float64Array(300);
        const count = 400;
        for (let seed = 0; seed < count; seed++) {
          const addend = codec.reader(encodeWith(codec, values, seed), 300);
          addInOrder({ length: 300, addends: [sums, addend] }, { sums });
        }
        // Rounding to the nearest has no more error than stochastic rounding has after so many.
        const limit = Math.max(tolerance / 4, 2 ** -8) * largest(values);
        values.forEach((value, i) => assert.ok(Math.abs(sums[i]! / count - value) <= limit));
      });
    }
  });
}
