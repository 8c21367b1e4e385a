// Sums of several vectors in a fixed order: a block of each after the other is added to a block of sums, so that only the
// vectors are read from memory, and only what becomes of the sums is written. Sums are f64: their f32 quotient is rounded
// once, whatever the number of vectors.

import { f32x4, f64x2, shuffle32, v128, type V128 } from "../../wasm/instructions.ts";
import type { ReadBlock } from "../codec/codec.ts";
import { addressOf, blockKernel } from "./passes.ts";
import { AT, BLOCK_VALUES, bytesOf, clear, copyIn, copyOut, inWindow, setFactor } from "./window.ts";

/** f32 values that are read block by block, or f64 sums. */
export type Addend = ReadBlock | Float64Array;

export interface OrderedSum {
  /** Values of each vector. */
  readonly length: number;
  readonly addends: readonly Addend[];
}

export interface SumTargets {
  /** [length] The sums; they may be an addend too. */
  readonly sums?: Float64Array;
  /** [length] The sums divided by `divisor`. */
  readonly quotients?: Float32Array;
  readonly divisor?: number;
}

const FLOAT_BYTES = 4;
const DOUBLE_BYTES = 8;
const PASS_VALUES = 16;
/** Steps of two values. */
const pairs = Array.from({ length: PASS_VALUES / 2 }, (_, pair) => pair);
const VECTOR_BYTES = 16;

const kernels = inWindow({
  /** sums = values */
  setFloats: blockKernel("setFloats", PASS_VALUES, (f, first) => {
    const { from, to } = f.named("i32", ["from", "to"]);
    return {
      pass: [
        from.set(addressOf(first, FLOAT_BYTES)),
        to.set(addressOf(first, DOUBLE_BYTES)),
        pairs.map((pair) => v128.store(to, promoted(from, pair), AT.sums + pair * VECTOR_BYTES)),
      ],
    };
  }),
  /** sums += values */
  addFloats: blockKernel("addFloats", PASS_VALUES, (f, first) => {
    const { from, to } = f.named("i32", ["from", "to"]);
    const sum = f.local("v128");
    return {
      pass: [
        from.set(addressOf(first, FLOAT_BYTES)),
        to.set(addressOf(first, DOUBLE_BYTES)),
        pairs.map((pair) => {
          const at = AT.sums + pair * VECTOR_BYTES;
          return [sum.set(f64x2.add(v128.load(to, at), promoted(from, pair))), v128.store(to, sum, at)];
        }),
      ],
    };
  }),
  /** sums += doubles */
  addDoubles: blockKernel("addDoubles", PASS_VALUES, (f, first) => {
    const at = f.local("i32");
    return {
      pass: [
        at.set(addressOf(first, DOUBLE_BYTES)),
        pairs.map((pair) => {
          const offset = pair * VECTOR_BYTES;
          const sum = f64x2.add(v128.load(at, AT.sums + offset), v128.load(at, AT.doubles + offset));
          return v128.store(at, sum, AT.sums + offset);
        }),
      ],
    };
  }),
  /** values = sums / factor */
  divide: quotients("divide", f64x2.div),
  /** values = sums * factor */
  scale: quotients("scale", f64x2.mul),
});

function quotients(name: string, operation: (sums: V128, factor: V128) => V128) {
  return blockKernel(name, PASS_VALUES, (f, first) => {
    const { from, to } = f.named("i32", ["from", "to"]);
    const factor = f.local("v128");
    const two = (pair: number) =>
      f32x4.demoteF64x2Zero(operation(v128.load(from, AT.sums + pair * VECTOR_BYTES), factor));
    return {
      before: factor.set(v128.load64Splat(AT.factor)),
      pass: [
        from.set(addressOf(first, DOUBLE_BYTES)),
        to.set(addressOf(first, FLOAT_BYTES)),
        pairs
          .filter((pair) => pair % 2 === 0)
          .map((pair) => {
            const four = shuffle32(two(pair), two(pair + 1), [0, 1, 4, 5]);
            return v128.store(to, four, AT.values + pair * 2 * FLOAT_BYTES);
          }),
      ],
    };
  });
}

function promoted(from: Parameters<typeof v128.load>[0], pair: number) {
  return f64x2.promoteLowF32x4(v128.load64Zero(from, AT.values + pair * 2 * FLOAT_BYTES));
}

/** Adds up all addends, the first one first, and writes what is asked for. */
export function addInOrder({ length, addends }: OrderedSum, targets: SumTargets): void {
  const { sums, quotients, divisor = 1 } = targets;
  const sumBytes = sums && bytesOf(sums);
  const quotientBytes = quotients && bytesOf(quotients);
  // The same bits, and several times as fast: most weights are sums of batches of 2^n.
  const isPowerOfTwo = 2 ** Math.round(Math.log2(divisor)) === divisor && divisor !== Infinity;
  setFactor(isPowerOfTwo ? 1 / divisor : divisor);
  const quotientsOf = isPowerOfTwo ? kernels().scale : kernels().divide;
  for (let begin = 0; begin < length; begin += BLOCK_VALUES) {
    const end = Math.min(begin + BLOCK_VALUES, length);
    const count = end - begin;
    sumBlock(addends, begin, end);
    if (sumBytes) copyOut(sumBytes, begin * DOUBLE_BYTES, AT.sums, count * DOUBLE_BYTES);
    if (quotientBytes) {
      quotientsOf(count);
      copyOut(quotientBytes, begin * FLOAT_BYTES, AT.values, count * FLOAT_BYTES);
    }
  }
}

function sumBlock(addends: readonly Addend[], begin: number, end: number): void {
  const { setFloats, addFloats, addDoubles } = kernels();
  const count = end - begin;
  if (addends.length === 0) clear(AT.sums, AT.sums + count * DOUBLE_BYTES);
  addends.forEach((addend, i) => {
    if (typeof addend === "function") {
      addend(begin, end);
      (i === 0 ? setFloats : addFloats)(count);
    } else {
      const at = i === 0 ? AT.sums : AT.doubles;
      copyIn(at, bytesOf(addend), begin * DOUBLE_BYTES, end * DOUBLE_BYTES);
      if (i > 0) addDoubles(count);
    }
  });
}
