// What treats tensors as words without a meaning: checksums and byte planes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { byteShuffle, byteUnshuffle } from "../../../src/kernels/ops/byte-shuffle.ts";
import { xxh32 } from "../../../src/kernels/ops/xxh32.ts";
import { runFlat } from "./run-kernel.ts";

function hashes(bytes: Uint8Array, pieceWords: number): readonly number[] {
  const words = new Int32Array(bytes.slice().buffer);
  return [...runFlat(xxh32, [words], { pieceWords })[0]!].map((hash) => hash >>> 0);
}

test("xxh32 of one piece is what xxHash 0.8 computes", () => {
  const counting = (length: number) => Uint8Array.from({ length }, (_, i) => i);
  const long = Int32Array.from({ length: 65_536 }, (_, i) => Math.imul(i, 0x9e3779b1));
  for (const [bytes, hash] of [
    [new TextEncoder().encode("abcd"), 0xa3643705],
    [counting(12), 0x606734ab],
    [counting(100), 0x7f89ba44],
    [new Uint8Array(long.buffer), 0xbcbb151e],
  ] as const)
    assert.deepEqual(hashes(bytes, 65_536), [hash]);
});

test("every piece of xxh32 has the hash that it has alone", () => {
  const bytes = Uint8Array.from({ length: 4 * 1_003 }, (_, i) => i * i);
  const alone = Array.from({ length: 11 }, (_, i) => hashes(bytes.subarray(400 * i, 400 * (i + 1)), 100)[0]);
  assert.deepEqual(hashes(bytes, 100), alone);
});

test("xxh32 tells of every single bit that was changed", () => {
  const bytes = Uint8Array.from({ length: 68 }, (_, i) => i);
  const whole = hashes(bytes, 17);
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    const changed = bytes.slice();
    changed[bit >> 3]! ^= 1 << (bit & 7);
    assert.notDeepEqual(hashes(changed, 17), whole, `bit ${bit}`);
  }
});

test("byte planes hold the bytes of equal place in order, and come back as the words", () => {
  for (const length of [1, 16, 17, 101]) {
    const words = Int32Array.from({ length }, (_, i) => Math.imul(i + 1, 0x9e3779b1));
    const [planes] = runFlat(byteShuffle, [words], {});
    const planeBytes = 4 * Math.ceil(length / 4);
    const bytes = new Uint8Array(planes!.buffer, planes!.byteOffset, 4 * planes!.length);
    const want = new Uint8Array(4 * planeBytes);
    new Uint8Array(words.buffer).forEach((byte, i) => (want[(i % 4) * planeBytes + (i >> 2)] = byte));
    assert.deepEqual(bytes, want);
    assert.deepEqual(runFlat(byteUnshuffle, [planes!], { length })[0], words);
  }
});
