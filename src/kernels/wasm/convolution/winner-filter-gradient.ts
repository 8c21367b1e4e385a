// The gradient of a convolution with regard to its filter where a max-pool follows: only the winners of the pool's
// windows count, each adds its dy times its patch of the image to its filter. That is a window's size fewer products
// than the dense gradient has, and patches are contiguous: a winner's number decides only where they begin.

import {
  forRange,
  increase,
  repeat,
  type FunctionRef,
  type Local,
  type ModuleBuilder,
} from "../../../wasm/emitter.ts";
import { f32x4, i32, memory, v128, type Body, type I32, type V128 } from "../../../wasm/instructions.ts";
import { emitBorder, isBordered, outerBytes, type Border } from "./border.ts";
import { FLOAT_BYTES, VECTOR_BYTES, VECTOR_FLOATS } from "../../../wasm/lanes.ts";

export interface WinnerSpec {
  readonly batch: number;
  readonly images: Border;
  readonly window: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly poolSize: readonly [number, number];
  /** [height, width, channels] of a pooled image. */
  readonly pooled: readonly [number, number, number];
}

/** A pair of vectors: what a wide target joins, and what sums are padded to. */
export const PAIR_FLOATS = 2 * VECTOR_FLOATS;
export const PAIR_BYTES = 2 * VECTOR_BYTES;
/** Sums that a pass keeps in registers: pairs where they are joined, else half as many. */
const PASS_PAIRS = 12;

/** Bytes from the patch of a window's first cell to the patch of cell number `cell`. */
export function cellOffset(
  cell: Local<"i32">,
  poolWidth: number,
  cellBytes: number,
  cellRowBytes: number,
): I32 {
  const row = i32.divU(cell, poolWidth);
  return i32.add(i32.mul(cell, cellBytes), i32.mul(row, cellRowBytes - poolWidth * cellBytes));
}

export interface WinnerFilterGradient {
  /** (begin, end, x, dy, winners, dw, scratch): filters [begin, end). */
  readonly func: FunctionRef;
  readonly scratchBytes: number;
}

export function emitWinnerFilterGradient(
  module: ModuleBuilder,
  spec: WinnerSpec,
  paired: boolean,
): WinnerFilterGradient {
  const { batch, images, window, pooled } = spec;
  const [pooledHeight, pooledWidth, filters] = pooled;
  const runFloats = window[1] * images.channels;
  const runPairs = Math.ceil(runFloats / PAIR_FLOATS);
  const pairs = window[0] * runPairs;
  const passes = passesOf(pairs, paired);
  const sumsBytes = pairs * PAIR_BYTES;
  const bordered = isBordered(images);
  const imageBytes = images.height * images.width * images.channels * FLOAT_BYTES;
  const pooledBytes = pooledHeight * pooledWidth * filters * FLOAT_BYTES;

  const names = ["begin", "end", "x", "dy", "winners", "dw", "scratch"] as const;
  const func = module.func(`winner-filter-gradient ${paired} ${JSON.stringify(spec)}`, names, (p, f) => {
    const { sample, filter, image, bordering, sums } = f.named("i32", [
      "sample",
      "filter",
      "image",
      "bordering",
      "sums",
    ]);
    const { tapRow, tap, from, to, offset } = f.named("i32", ["tapRow", "tap", "from", "to", "offset"]);
    const sumsOf = (index: I32): I32 => i32.add(p.scratch, i32.mul(index, sumsBytes));

    return [
      memory.fill(sumsOf(p.begin), 0, i32.mul(i32.sub(p.end, p.begin), sumsBytes)),
      bordering.set(sumsOf(filters)),
      bordered ? memory.fill(bordering, 0, outerBytes(images)) : [],
      forRange(sample, 0, batch, 1, [
        bordered ? emitBorder(module, images).call(p.x, bordering) : [],
        image.set(bordered ? bordering : p.x),
        forRange(filter, p.begin, p.end, 1, [
          offset.set(i32.mul(filter, FLOAT_BYTES)),
          sums.set(sumsOf(filter)),
          passes.map(([first, count]) =>
            emitPass(module, spec, { first, count, runPairs, paired }).call(
              image,
              i32.add(p.dy, offset),
              i32.add(p.winners, offset),
              i32.add(sums, first * PAIR_BYTES),
            ),
          ),
        ]),
        increase(p.x, imageBytes),
        increase(p.dy, pooledBytes),
        increase(p.winners, pooledBytes),
      ]),
      forRange(filter, p.begin, p.end, 1, [
        from.set(sumsOf(filter)),
        to.set(i32.add(p.dw, i32.mul(filter, FLOAT_BYTES))),
        repeat(tapRow, window[0], [
          repeat(tap, runFloats, [
            i32.store(to, i32.load(from)),
            increase(from, FLOAT_BYTES),
            increase(to, filters * FLOAT_BYTES),
          ]),
          increase(from, (runPairs * PAIR_FLOATS - runFloats) * FLOAT_BYTES),
        ]),
      ]),
    ];
  });
  return { func, scratchBytes: filters * sumsBytes + (bordered ? outerBytes(images) : 0) };
}

/** Winners that are summed side by side, where few sums leave registers: a function of the shape alone. */
function chainsOf(pairs: number): number {
  return 2 * pairs <= PASS_PAIRS ? 2 : 1;
}

/** [first, count] of the pairs of sums that each pass over the winners has in registers. */
function passesOf(pairs: number, paired: boolean): readonly (readonly [number, number])[] {
  const most = PASS_PAIRS / (paired ? 1 : 2) / chainsOf(pairs);
  const passes = Math.ceil(pairs / most);
  const firstOf = (pass: number) => Math.floor((pass * pairs) / passes);
  return Array.from({ length: passes }, (_, pass) => [firstOf(pass), firstOf(pass + 1) - firstOf(pass)]);
}

interface Pass {
  readonly first: number;
  readonly count: number;
  readonly runPairs: number;
  readonly paired: boolean;
}

/** A function (image, dy, winners, sums) over all windows of one image and one filter. */
function emitPass(module: ModuleBuilder, spec: WinnerSpec, pass: Pass): FunctionRef {
  const { images, window, strides, poolSize, pooled } = spec;
  const [pooledHeight, pooledWidth, filters] = pooled;
  const { first, count, runPairs } = pass;
  const chains = chainsOf(window[0] * runPairs);
  const rowBytes = images.outerWidth * images.channels * FLOAT_BYTES;
  const cellBytes = strides[1] * images.channels * FLOAT_BYTES;
  const cellRowBytes = strides[0] * rowBytes;
  const pixelBytes = filters * FLOAT_BYTES;

  const names = ["image", "dy", "winners", "sums"] as const;
  const key = `winner-pass ${JSON.stringify([images, window, strides, poolSize, pooled, pass])}`;
  return module.func(key, names, (p, f) => {
    const sums = Array.from({ length: chains }, () => f.locals("v128", 2 * count));
    const factors = f.locals("v128", chains);
    const patches = f.locals("i32", chains);
    const { row, column, cell } = f.named("i32", ["row", "column", "cell"]);
    const multiplyAdd = (x: V128, y: V128, z: V128): V128 =>
      module.relaxedSimd ? f32x4.relaxedMadd(x, y, z) : f32x4.add(f32x4.mul(x, y), z);
    /** Of vector j of this pass, from the patch's first. */
    const vectorOffset = (j: number): number => {
      const pair = first + Math.floor(j / 2);
      const tapRow = Math.floor(pair / runPairs);
      return tapRow * rowBytes + (pair % runPairs) * PAIR_BYTES + (j % 2) * VECTOR_BYTES;
    };
    /** The next `side` windows of a row. */
    const windows = (side: number): Body => [
      Array.from({ length: side }, (_, chain) => [
        cell.set(i32.load(p.winners, chain * pixelBytes)),
        patches[chain]!.set(
          i32.add(
            i32.add(p.image, chain * poolSize[1] * cellBytes),
            cellOffset(cell, poolSize[1], cellBytes, cellRowBytes),
          ),
        ),
        factors[chain]!.set(v128.load32Splat(p.dy, chain * pixelBytes)),
        sums[chain]!.map((sum, j) =>
          sum.set(multiplyAdd(factors[chain]!, v128.load(patches[chain]!, vectorOffset(j)), sum)),
        ),
      ]),
      increase(p.image, side * poolSize[1] * cellBytes),
      increase(p.winners, side * pixelBytes),
      increase(p.dy, side * pixelBytes),
    ];
    const [total, other] = sums as [(typeof sums)[number], (typeof sums)[number]?];
    return [
      total.map((sum, j) => sum.set(v128.load(p.sums, j * VECTOR_BYTES))),
      other?.map((sum) => sum.set(v128.zero)) ?? [],
      repeat(row, pooledHeight, [
        repeat(column, Math.floor(pooledWidth / chains), windows(chains)),
        pooledWidth % chains === 0 ? [] : windows(1),
        increase(p.image, poolSize[0] * cellRowBytes - pooledWidth * poolSize[1] * cellBytes),
      ]),
      other === undefined ? [] : total.map((sum, j) => sum.set(f32x4.add(sum, other[j]!))),
      total.map((sum, j) => v128.store(p.sums, sum, j * VECTOR_BYTES)).reverse(),
    ];
  });
}
