import assert from "node:assert/strict";
import { test } from "node:test";
import { RandomStream } from "../../src/random.ts";
import { checksum } from "../../src/shard/checksum.ts";

const random = new RandomStream(1, "checksum");
const bytes = Uint8Array.from({ length: 40_000 }, () => random.nextU32());

test("it is the same for ever, or frames of equal versions could not be read", () => {
  const found = [0, 1, 1023, 1024, 16_384, 40_000].map((length) =>
    checksum([bytes.subarray(0, length)]).toString(16),
  );
  assert.deepEqual(found, [
    "0",
    "795aa125d11efeec",
    "37bcb0b70ebd000c",
    "2b651364a5ea7566",
    "e2175d76cec3a81f",
    "6fda2ad3f0009db6",
  ]);
});

test("it does not depend on how bytes are divided into parts, nor on where they lie", () => {
  const whole = checksum([bytes]);
  for (const size of [1, 1000, 1024, 16_384, 16_385, 39_999]) {
    const parts = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
      bytes.subarray(i * size, (i + 1) * size),
    );
    assert.equal(checksum(parts), whole);
  }
  const shared = new Uint8Array(new SharedArrayBuffer(40_003)).subarray(3);
  shared.set(bytes);
  assert.equal(checksum([shared]), whole);
});

test("any one or two flipped bits change it, wherever they are", () => {
  const whole = checksum([bytes]);
  const flip = (): [number, number] => [random.nextInt(bytes.length), 1 << random.nextInt(8)];
  for (let i = 0; i < 3000; i++) {
    const [at, bit] = flip();
    // In half of the cases the two are the same bit of words that are combined or summed up together.
    const [other, otherBit] = i % 2 === 0 ? flip() : [(at + 16 * random.nextInt(200)) % bytes.length, bit];
    const changed = bytes.slice();
    changed[at]! ^= bit;
    assert.notEqual(checksum([changed]), whole, `byte ${at}`);
    if (other === at) continue;
    changed[other]! ^= otherBit;
    assert.notEqual(checksum([changed]), whole, `bytes ${at} and ${other}`);
  }
});

test("exchanged, moved, missing and additional zeros change it, also among zeros", () => {
  const whole = checksum([bytes]);
  for (const size of [4, 8, 16, 32, 1024, 4096]) {
    for (const [a, b] of [
      [0, size],
      [size, 5 * size],
      [0, 16_384],
      [4096, 20_480],
    ] as const) {
      const changed = bytes.slice();
      changed.copyWithin(a, b, b + size);
      changed.set(bytes.subarray(a, a + size), b);
      assert.notEqual(checksum([changed]), whole, `${size} bytes at ${a} and ${b}`);
    }
    assert.notEqual(checksum([bytes.slice().fill(0, size, 2 * size)]), whole);
  }
  const zeros = [0, 1, 2, 15, 16, 1023, 1024, 1025, 16_384, 32_768].map((length) =>
    checksum([new Uint8Array(length)]),
  );
  assert.equal(new Set(zeros).size, zeros.length);
});

test("its bits are half ones, and nearly independent of each other from input to input", () => {
  const inputs = 4000;
  const ones = new Array<number>(64).fill(0);
  for (let i = 0; i < inputs; i++) {
    const found = checksum([Uint8Array.of(i, i >> 8)]);
    for (let bit = 0; bit < 64; bit++) ones[bit]! += Number((found >> BigInt(bit)) & 1n);
  }
  // Five standard deviations.
  for (const count of ones) assert.ok(Math.abs(count / inputs - 0.5) < 0.04, String(ones));
});
