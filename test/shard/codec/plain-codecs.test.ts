import assert from "node:assert/strict";
import { test } from "node:test";
import { RandomStream } from "../../../src/random.ts";
import { bf16 } from "../../../src/shard/codec/bf16.ts";
import type { Codec } from "../../../src/shard/codec/codec.ts";
import { fp16 } from "../../../src/shard/codec/fp16.ts";
import { int8 } from "../../../src/shard/codec/int8.ts";
import { encodeWith } from "../../contract/codec.ts";
import { plainBf16, type PlainEncode, plainFp16, plainInt8 } from "./plain-codecs.ts";

const LENGTHS = [0, 1, 3, 16, 31, 33, 511, 512, 1000, 1024, 2047, 2048, 2049, 5000, 9000];
const random = new RandomStream(3, "plain");
/** Any finite f32, a power of two far away, halfway between what is kept, denormal, and what is no number. */
const KINDS: readonly ((bits: Uint32Array, values: Float32Array, i: number) => void)[] = [
  (bits, _, i) => (bits[i] = withoutInfinity(random.nextU32())),
  (_, values, i) => (values[i] = random.nextNormal() * 1e-4),
  (_, values, i) => (values[i] = random.nextNormal() * 2 ** (random.nextInt(60) - 40)),
  (_, values, i) => (values[i] = (random.nextInt(65536) - 32767.5) * 2 ** -random.nextInt(30)),
  (bits, _, i) => (bits[i] = random.nextU32() & 0x807fffff),
  (bits, _, i) =>
    (bits[i] = [0x7f800000, 0xff800000, 0x7fc00000, 0x80000000, 0x3f800000][random.nextInt(5)]!),
];

function withoutInfinity(bits: number): number {
  return (bits & 0x7f800000) === 0x7f800000 ? bits & 0x807fffff : bits;
}

function bytesOf(codec: Codec, values: Float32Array, seed: number): Buffer {
  const { rest, compressible } = encodeWith(codec, values, seed);
  return Buffer.concat([rest, compressible]);
}

const plain: readonly (readonly [Codec, PlainEncode])[] = [
  [bf16, plainBf16],
  [fp16, plainFp16],
  [int8, plainInt8],
];
for (const [codec, encode] of plain) {
  test(`${codec.name}'s kernels write the bytes of its plain definition, whatever the length and the values`, () => {
    for (const kind of KINDS) {
      for (const length of LENGTHS) {
        const values = new Float32Array(length);
        const bits = new Uint32Array(values.buffer);
        for (let i = 0; i < length; i++) kind(bits, values, i);
        const seed = random.nextU32();
        const difference = Buffer.compare(bytesOf(codec, values, seed), encode(values, seed));
        assert.equal(difference, 0, `kind ${KINDS.indexOf(kind)}, ${length} values, seed ${seed}`);
      }
    }
  });
}
