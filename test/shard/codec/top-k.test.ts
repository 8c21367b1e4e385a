import assert from "node:assert/strict";
import { test } from "node:test";
import { RandomStream } from "../../../src/random.ts";
import { selectLargest } from "../../../src/shard/codec/largest.ts";
import { MILLION, topK } from "../../../src/shard/codec/top-k.ts";
import { codecContract, decodeWith, encodeWith } from "../../contract/codec.ts";

codecContract(topK(10_000), 1);
codecContract(topK(250_000), 1);
codecContract(topK(1_000_000), 2 ** -8);

/** Indices of the k largest magnitudes by a sort, lower indices first among equal ones; NaNs by their bits. */
function bySorting(bits: Int32Array, k: number): number[] {
  const order = [...bits.keys()].sort((a, b) => (bits[b]! & 0x7fffffff) - (bits[a]! & 0x7fffffff) || a - b);
  return order.slice(0, k).sort((a, b) => a - b);
}

test("the largest are exactly those that a sort finds, ties to the lower index", () => {
  const random = new RandomStream(6, "select");
  const kinds: readonly ((i: number) => number)[] = [
    () => random.nextNormal(),
    () => random.nextInt(4) - 2, // many ties
    () => 0,
    (i) => (i % 97 === 0 ? NaN : i % 89 === 0 ? -Infinity : random.nextNormal() * 1e-40),
  ];
  for (const kind of kinds) {
    for (const length of [1, 2, 100, 5000, 9000]) {
      const bits = new Int32Array(Float32Array.from({ length }, (_, i) => kind(i)).buffer);
      for (const k of new Set([0, 1, Math.ceil(length / 100), length >> 1, length])) {
        assert.deepEqual([...selectLargest(bits, k)], bySorting(bits, k));
      }
    }
  }
});

test("a share of the values is kept, at least one, the others are zeros", () => {
  const values = Float32Array.from({ length: 1000 }, (_, i) => ((i * 7919) % 1000) - 500);
  for (const [sharePpm, kept] of [
    [1, 1],
    [10_000, 10],
    [10_500, 11],
    [1_000_000, 999],
  ] as const) {
    const codec = topK(sharePpm);
    const out = decodeWith(codec, encodeWith(codec, values), 1000);
    assert.equal(out.filter((value) => value !== 0).length, kept); // one value is 0
    assert.ok(Math.abs(out[values.indexOf(-500)]!) === 500);
  }
});

test("gaps of any length come back", () => {
  const codec = topK(2);
  const values = new Float32Array(5_000_000);
  for (const i of [0, 1, 127, 130, 259, 20_000, 3_000_000, 4_999_999]) values[i] = i + 1;
  const kept = values.slice().fill(0, 0, 1).fill(0, 1, 2); // ten places for eight values: zeros fill up
  const encoded = encodeWith(codec, kept);
  const out = decodeWith(codec, encoded, values.length);
  for (const i of [127, 130, 259, 20_000, 3_000_000, 4_999_999])
    assert.ok(Math.abs(out[i]! / (i + 1) - 1) <= 2 ** -8);
  assert.equal(out.filter((value) => value !== 0).length, 6);
});

test("what sums several ranks' values keeps as many times the share, or all where that is shorter", () => {
  const codec = topK(10_000);
  assert.deepEqual(
    [1, 4, 66, 67, 1000].map((contributors) => codec.ofSum!(contributors).name),
    ["top-k:1%", "top-k:4%", "top-k:66%", "bf16", "bf16"],
  );
  assert.equal(topK(MILLION).ofSum!(1).name, "top-k:100%");
});

test("at one per cent a value takes little more than three bytes", () => {
  const random = new RandomStream(6, "size");
  const values = Float32Array.from({ length: 100_000 }, () => random.nextNormal());
  const { rest, compressible } = encodeWith(topK(10_000), values);
  assert.ok(rest.byteLength + compressible.byteLength < 3.4 * 1000);
});
