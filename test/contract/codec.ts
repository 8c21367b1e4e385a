// What every codec promises.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { RandomStream } from "../../src/random.ts";
import type { Codec } from "../../src/shard/codec/codec.ts";

const lengths = [0, 1, 63, 64, 1000];

function valuesOf(length: number): Float32Array<ArrayBuffer> {
  const random = new RandomStream(5, "codec");
  return Float32Array.from({ length }, () => random.nextNormal());
}

/** `tolerance` is the largest error relative to the largest value; 0 demands equal bits. */
export function codecContract(codec: Codec, tolerance: number): void {
  describe(`codec contract: ${codec.name}`, () => {
    test("decode gives back what was encoded", () => {
      for (const length of lengths) {
        const values = valuesOf(length);
        const payload = codec.encode(values).slice();
        const out = new Float32Array(length).fill(9);
        codec.decode(payload, out);
        const limit = tolerance * values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        values.forEach((value, i) => assert.ok(Math.abs(value - out[i]!) <= limit));
      }
    });

    test("what is encoded is accepted, within the size promised, and other sizes are not", () => {
      for (const length of lengths) {
        const { byteLength } = codec.encode(valuesOf(length));
        assert.ok(codec.accepts(byteLength, length));
        assert.ok(byteLength <= codec.maxEncodedBytes(length));
        assert.ok(!codec.accepts(codec.maxEncodedBytes(length) + 1, length));
      }
    });

    test("the same values give the same bytes, also from shared memory", () => {
      const values = valuesOf(128);
      const shared = new Float32Array(new SharedArrayBuffer(1024), 64, 128);
      shared.set(values);
      assert.deepEqual(Buffer.from(codec.encode(shared)), Buffer.from(codec.encode(values)));
    });

    test("accumulate sets the sums to what decode gives, or adds it, whatever the payload's alignment", () => {
      const payload = codec.encode(valuesOf(100));
      const out = new Float32Array(100);
      codec.decode(payload, out);
      for (const shift of [0, 1, 2, 4]) {
        const shifted = new Uint8Array(payload.byteLength + 8).subarray(shift, shift + payload.byteLength);
        shifted.set(payload);
        const sums = new Float64Array(100).fill(0.5);
        codec.accumulate(shifted, sums, "add");
        assert.deepEqual(
          sums,
          Float64Array.from(out, (value) => 0.5 + value),
        );
        codec.accumulate(shifted, sums, "set");
        assert.deepEqual(sums, Float64Array.from(out));
      }
    });
  });
}
