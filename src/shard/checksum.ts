// The checksum of frames: 64 bits of all bytes and of their number. The structure is that of XXH3 (Y. Collet, "xxHash fast
// digest algorithm"): words of data, each combined with a constant of its own, are multiplied in pairs and summed up, and
// after each unit the sums are mixed. Two vectors' lanes are multiplied with each other, not the lanes of one vector, which
// saves the shuffles. No single changed word passes: each is also added as it is. CRC-32, as zlib has it, took a quarter of
// a round; SHA-1 takes ten times as long, and a cipher's authenticator 25 us before its first byte.

import { philox4x32, hashName } from "../random.ts";
import { forRange, type ModuleBuilder } from "../wasm/emitter.ts";
import { i32, i32x4, i64, i64x2, v128 } from "../wasm/instructions.ts";
import { AT, clear, copyIn, copyOut, inWindow } from "./simd/window.ts";

const VECTOR_BYTES = 16;
/** Between two mixings. */
const UNIT_BYTES = 1024;
const BUFFER_BYTES = 16 * UNIT_BYTES;
/** Vectors of a loop's pass. */
const PASS_VECTORS = 16;
const SUMS = 4;
const SUM_BYTES = SUMS * VECTOR_BYTES;
const CONSTANT_BYTES = UNIT_BYTES + SUM_BYTES;

const SUMS_AT = AT.checksum;
const RESULT_AT = SUMS_AT + SUM_BYTES;
const CONSTANTS_AT = RESULT_AT + 64;
/** The sums' constants lie behind the data's. */
const MIXERS_AT = CONSTANTS_AT + UNIT_BYTES;
const BUFFER_AT = CONSTANTS_AT + 2 * UNIT_BYTES;

/** Primes of xxHash. */
const PRIME_32 = 0x9e3779b1;
const PRIME_64 = 0x9e3779b185ebca87n;
const OTHER_PRIME_64 = 0xc2b2ae3d27d4eb4fn;

const kernels = inWindow({ add: emitAdd, finish: emitFinish });

/** Adds `sizeBytes`, a multiple of UNIT_BYTES, from the buffer. */
function emitAdd(module: ModuleBuilder) {
  return module.func("add", ["sizeBytes"], (p, f) => {
    const sums = f.locals("v128", SUMS);
    const { left, right, prime } = f.named("v128", ["left", "right", "prime"]);
    const { unit, at, constant } = f.named("i32", ["unit", "at", "constant"]);
    const passBytes = PASS_VECTORS * VECTOR_BYTES;
    return [
      sums.map((sum, i) => sum.set(v128.load(SUMS_AT, i * VECTOR_BYTES))),
      prime.set(i32x4.const([PRIME_32, 0, PRIME_32, 0])),
      forRange(unit, 0, p.sizeBytes, UNIT_BYTES, [
        forRange(constant, 0, UNIT_BYTES, passBytes, [
          at.set(i32.add(unit, constant)),
          Array.from({ length: PASS_VECTORS / 2 }, (_, pair) => {
            const [low, high] = [sums[(2 * pair) % SUMS]!, sums[(2 * pair + 1) % SUMS]!];
            const offset = 2 * pair * VECTOR_BYTES;
            return [
              left.set(v128.load(at, BUFFER_AT + offset)),
              right.set(v128.load(at, BUFFER_AT + offset + VECTOR_BYTES)),
              low.set(i64x2.add(low, right)),
              high.set(i64x2.add(high, left)),
              left.set(v128.xor(left, v128.load(constant, CONSTANTS_AT + offset))),
              right.set(v128.xor(right, v128.load(constant, CONSTANTS_AT + offset + VECTOR_BYTES))),
              low.set(i64x2.add(low, i64x2.extmulLowI32x4U(left, right))),
              high.set(i64x2.add(high, i64x2.extmulHighI32x4U(left, right))),
            ];
          }),
        ]),
        sums.map((sum, i) => [
          sum.set(v128.xor(sum, i64x2.shrU(sum, 47))),
          sum.set(i64x2.mul(v128.xor(sum, v128.load(MIXERS_AT, i * VECTOR_BYTES)), prime)),
        ]),
      ]),
      sums.map((sum, i) => v128.store(SUMS_AT, sum, i * VECTOR_BYTES)),
    ];
  });
}

/** Writes the result for a length of low + 2^32 high bytes. Every step is a bijection of each word. */
function emitFinish(module: ModuleBuilder) {
  return module.func("finish", ["low", "high"], (p, f) => {
    const hash = f.local("i64");
    const mixed = (shift: bigint) => hash.set(i64.xor(hash, i64.shrU(hash, i64.const(shift))));
    return [
      i32.store(RESULT_AT, p.low),
      i32.store(RESULT_AT, p.high, 4),
      hash.set(i64.mul(i64.load(RESULT_AT), i64.const(PRIME_64))),
      Array.from({ length: SUM_BYTES / 8 }, (_, i) => [
        hash.set(
          i64.mul(
            i64.xor(hash, i64.load(SUMS_AT, i * 8)),
            i64.const(i % 2 === 0 ? OTHER_PRIME_64 : PRIME_64),
          ),
        ),
        mixed(29n),
      ]),
      hash.set(i64.mul(hash, i64.const(OTHER_PRIME_64))),
      mixed(32n),
      i64.store(RESULT_AT, hash),
    ];
  });
}

/** Any numbers without a pattern do, if they are always the same. */
const constants = new Uint32Array(CONSTANT_BYTES / 4);
for (let i = 0; i < constants.length; i += 4) philox4x32(i, 0, 0, 0, hashName("checksum"), 0, constants, i);
const constantBytes = new Uint8Array(constants.buffer);
copyIn(CONSTANTS_AT, constantBytes, 0, CONSTANT_BYTES);

const result = new BigUint64Array(1);
const resultBytes = new Uint8Array(result.buffer);

/** Of the parts' bytes, one part after the other; how they are divided makes no difference. */
export function checksum(parts: readonly Uint8Array[]): bigint {
  const { add, finish } = kernels();
  clear(SUMS_AT, SUMS_AT + SUM_BYTES);
  let filled = 0;
  let total = 0;
  for (const part of parts) {
    total += part.byteLength;
    for (let begin = 0; begin < part.byteLength;) {
      const end = Math.min(part.byteLength, begin + BUFFER_BYTES - filled);
      copyIn(BUFFER_AT + filled, part, begin, end);
      filled += end - begin;
      begin = end;
      if (filled === BUFFER_BYTES) {
        add(BUFFER_BYTES);
        filled = 0;
      }
    }
  }
  const wholeUnits = Math.ceil(filled / UNIT_BYTES) * UNIT_BYTES;
  clear(BUFFER_AT + filled, BUFFER_AT + wholeUnits);
  add(wholeUnits);
  finish(total | 0, Math.floor(total / 2 ** 32));
  copyOut(resultBytes, 0, RESULT_AT, result.byteLength);
  return result[0]!;
}
