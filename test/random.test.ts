import assert from "node:assert/strict";
import { test } from "node:test";
import { philox4x32, RandomStream } from "../src/random.ts";

// Random123's known answers (kat_vectors, philox4x32-10): counter, key, output.
const KNOWN = [
  [
    [0, 0, 0, 0],
    [0, 0],
    [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
  ],
  [Array(4).fill(0xffffffff), Array(2).fill(0xffffffff), [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]],
  [
    [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    [0xa4093822, 0x299f31d0],
    [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  ],
] as [number[], number[], number[]][];

test("philox4x32 gives the known answers of its authors", () => {
  for (const [counter, key, expected] of KNOWN) {
    const out = new Uint32Array(8);
    philox4x32(counter[0]!, counter[1]!, counter[2]!, counter[3]!, key[0]!, key[1]!, out, 4);
    assert.deepEqual([...out], [0, 0, 0, 0, ...expected]);
  }
});

test("a stream is a function of seed, name and substream, and none of the three is ignored", () => {
  const draw = (...of: ConstructorParameters<typeof RandomStream>) => {
    const stream = new RandomStream(...of);
    return Array.from({ length: 100 }, () => stream.nextU32());
  };
  assert.deepEqual(draw(1, "a", 2), draw(1, "a", 2));
  const streams = [draw(1, "a", 2), draw(2, "a", 2), draw(1, "b", 2), draw(1, "a", 3)];
  assert.equal(new Set(streams.map(String)).size, streams.length);
});

test("a stream is its counter's blocks in order, so that a kernel can compute any number alone", () => {
  const stream = new RandomStream(1, "", 9);
  const numbers = Array.from({ length: 400 }, () => stream.nextU32());
  const block = new Uint32Array(4);
  philox4x32(99, 9, 0, 0, 1, 0x811c9dc5, block);
  assert.deepEqual(numbers.slice(396), [...block]);
});

test("nextInt stays below its bound and reaches every value about equally often", () => {
  for (const bound of [1, 2, 3, 7, 0x80000001]) {
    const stream = new RandomStream(5, "int");
    const cells = Math.min(bound, 7);
    const counts = Array<number>(cells).fill(0);
    for (let i = 0; i < 7000; i++) {
      const value = stream.nextInt(bound);
      assert.ok(Number.isInteger(value) && value >= 0 && value < bound);
      counts[Math.floor((value / bound) * cells)]!++;
    }
    for (const count of counts) assert.ok(Math.abs(count - 7000 / cells) < 350, String(counts));
  }
});

test("a normal stream has mean 0 and deviation 1", () => {
  const stream = new RandomStream(3, "normal");
  let sum = 0;
  let squares = 0;
  for (let i = 0; i < 20_000; i++) {
    const value = stream.nextNormal();
    sum += value;
    squares += value * value;
  }
  assert.ok(Math.abs(sum / 20_000) < 0.03);
  assert.ok(Math.abs(squares / 20_000 - 1) < 0.04);
});

test("a permutation holds every index once", () => {
  for (const length of [0, 1, 2, 1000]) {
    const sorted = new RandomStream(4, "p").permutation(length).sort();
    assert.deepEqual([...sorted], [...Array(length).keys()]);
  }
});
