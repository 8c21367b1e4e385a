// The gradient of a convolution with regard to its input where a max-pool follows: every winner of the pool's windows
// adds its dy times its filter to its patch of dx. Pixels are padded to pairs of vectors: patches that overlap then
// overlap in whole pairs, and a processor that reads what it has just stored need not wait for the cache.

import {
  forRange,
  increase,
  repeat,
  type FunctionRef,
  type Local,
  type ModuleBuilder,
} from "../../../wasm/emitter.ts";
import { f32x4, i32, memory, v128, type Body, type V128 } from "../../../wasm/instructions.ts";
import type { WasmRoutine } from "../kernel.ts";
import { FLOAT_BYTES, storeRow, VECTOR_BYTES, vectorsOf } from "../../../wasm/lanes.ts";
import { cellOffset, PAIR_BYTES, PAIR_FLOATS, type WinnerSpec } from "./winner-filter-gradient.ts";

/** Up to so many pairs of a filter are unrolled. */
const MAXIMUM_UNROLLED_PAIRS = 32;

/** A routine over (dy, winners, w, mask?, dx): the filters are repacked, then images are the units. */
export function emitWinnerInputGradient(
  module: ModuleBuilder,
  spec: WinnerSpec,
  masked: boolean,
): WasmRoutine {
  const { batch, images, window, strides, poolSize, pooled } = spec;
  const [pooledHeight, pooledWidth, filters] = pooled;
  const { channels } = images;
  const pixelPairs = Math.ceil(channels / PAIR_FLOATS);
  const pixelBytes = pixelPairs * PAIR_BYTES;
  const rowBytes = images.outerWidth * pixelBytes;
  const imageBytes = images.outerHeight * rowBytes;
  const filterBytes = window[0] * window[1] * pixelBytes;
  const cellBytes = strides[1] * pixelBytes;
  const cellRowBytes = strides[0] * rowBytes;
  const operands = ["dy", "winners", "w", ...(masked ? ["mask"] : []), "dx"];
  const names = ["begin", "end", ...operands, "filters", "scratch"];
  const key = `${masked} ${JSON.stringify(spec)}`;

  const repack = module.func(`winner-filters ${key}`, names, (p, f) => {
    const { filter, tap, channel, from, to } = f.named("i32", ["filter", "tap", "channel", "from", "to"]);
    return forRange(filter, p["begin"]!, p["end"]!, 1, [
      from.set(i32.add(p["w"]!, i32.mul(filter, FLOAT_BYTES))),
      to.set(i32.add(p["filters"]!, i32.mul(filter, filterBytes))),
      memory.fill(to, 0, filterBytes),
      repeat(tap, window[0] * window[1], [
        repeat(channel, channels, [
          i32.store(to, i32.load(from)),
          increase(from, filters * FLOAT_BYTES),
          increase(to, FLOAT_BYTES),
        ]),
        increase(to, pixelBytes - channels * FLOAT_BYTES),
      ]),
    ]);
  });

  const scatter = emitScatter(module, {
    window,
    pixelPairs,
    rowBytes,
    cells: [poolSize[1], cellBytes, cellRowBytes],
    filters,
  });
  const copyOut = emitCopyOut(module, spec, pixelBytes, masked);
  const gradient = module.func(`winner-input-gradient ${key}`, names, (p, f) => {
    const { sample, row, column, at } = f.named("i32", ["sample", "row", "column", "at"]);
    const pooledBytes = pooledHeight * pooledWidth * filters * FLOAT_BYTES;
    const dxBytes = images.height * images.width * channels * FLOAT_BYTES;
    const pixel = filters * FLOAT_BYTES;
    const { dy, winners, mask, dx, scratch } = p;
    return [
      [dy!, winners!].map((pointer) => increase(pointer, i32.mul(p["begin"]!, pooledBytes))),
      [...(masked ? [mask!] : []), dx!].map((pointer) => increase(pointer, i32.mul(p["begin"]!, dxBytes))),
      forRange(sample, p["begin"]!, p["end"]!, 1, [
        memory.fill(scratch!, 0, imageBytes),
        at.set(scratch!),
        repeat(row, pooledHeight, [
          repeat(column, pooledWidth, [
            scatter.call(dy!, winners!, p["filters"]!, at),
            increase(dy!, pixel),
            increase(winners!, pixel),
            increase(at, poolSize[1] * cellBytes),
          ]),
          increase(at, poolSize[0] * cellRowBytes - pooledWidth * poolSize[1] * cellBytes),
        ]),
        copyOut.call(
          i32.add(scratch!, images.top * rowBytes + images.left * pixelBytes),
          masked ? mask! : 0,
          dx!,
        ),
        [...(masked ? [mask!] : []), dx!].map((pointer) => increase(pointer, dxBytes)),
      ]),
    ];
  });
  return {
    phases: [
      { func: repack, extent: filters, grain: 1 },
      { func: gradient, extent: batch, grain: 1 },
    ],
    sharedBytes: filters * filterBytes,
    scratchBytes: imageBytes,
  };
}

interface Scatter {
  readonly window: readonly [number, number];
  readonly pixelPairs: number;
  readonly rowBytes: number;
  /** What cellOffset takes: cells in a window's row, bytes from cell to cell and from row to row. */
  readonly cells: readonly [number, number, number];
  readonly filters: number;
}

/** A function (dy, winners, filters, patch) for the winners of all filters in one window. */
function emitScatter(module: ModuleBuilder, spec: Scatter): FunctionRef {
  const { window, pixelPairs, rowBytes, cells, filters } = spec;
  const runPairs = window[1] * pixelPairs;
  const unrolledRows = window[0] * runPairs <= MAXIMUM_UNROLLED_PAIRS ? window[0] : 1;
  const names = ["dy", "winners", "filters", "patch"] as const;
  return module.func(`winner-scatter ${JSON.stringify(spec)}`, names, (p, f) => {
    const { filter, cell, at, row } = f.named("i32", ["filter", "cell", "at", "row"]);
    const factor = f.local("v128");
    const [low, high] = f.locals("v128", 2) as [Local<"v128">, Local<"v128">];
    const multiplyAdd = (x: V128, y: V128, z: V128): V128 =>
      module.relaxedSimd ? f32x4.relaxedMadd(x, y, z) : f32x4.add(f32x4.mul(x, y), z);
    const addPair = (atOffset: number, filterOffset: number): Body => [
      [low, high].map((sum, j) =>
        sum.set(
          multiplyAdd(
            factor,
            v128.load(p.filters, filterOffset + j * VECTOR_BYTES),
            v128.load(at, atOffset + j * VECTOR_BYTES),
          ),
        ),
      ),
      v128.store(at, high, atOffset + VECTOR_BYTES),
      v128.store(at, low, atOffset),
    ];
    const addRow = (y: number): Body =>
      Array.from({ length: runPairs }, (_, pair) =>
        addPair(y * rowBytes + pair * PAIR_BYTES, (y * runPairs + pair) * PAIR_BYTES),
      );
    return repeat(filter, filters, [
      cell.set(i32.load(p.winners)),
      at.set(i32.add(p.patch, cellOffset(cell, ...cells))),
      factor.set(v128.load32Splat(p.dy)),
      repeat(row, window[0] / unrolledRows, [
        Array.from({ length: unrolledRows }, (_, y) => addRow(y)),
        increase(at, unrolledRows * rowBytes),
        increase(p.filters, unrolledRows * runPairs * PAIR_BYTES),
      ]),
      increase(p.winners, FLOAT_BYTES),
      increase(p.dy, FLOAT_BYTES),
    ]);
  });
}

/** A function (from, mask, dx) that copies an image without its border and padding to dx. */
function emitCopyOut(
  module: ModuleBuilder,
  { images }: WinnerSpec,
  pixelBytes: number,
  masked: boolean,
): FunctionRef {
  const { height, width, channels, outerWidth } = images;
  const key = `winner-copy-out ${JSON.stringify([images, masked])}`;
  return module.func(key, ["from", "mask", "dx"], (p, f) => {
    const { row, column } = f.named("i32", ["row", "column"]);
    const vectors = vectorsOf(channels);
    const values = f.locals("v128", vectors.length);
    return repeat(row, height, [
      repeat(column, width, [
        vectors.map(({ offset }, j) => {
          const value = v128.load(p.from, offset);
          return values[j]!.set(
            masked ? v128.and(value, f32x4.gt(v128.load(p.mask, offset), v128.zero)) : value,
          );
        }),
        storeRow(p.dx, vectors, values),
        increase(p.from, pixelBytes),
        masked ? increase(p.mask, channels * FLOAT_BYTES) : [],
        increase(p.dx, channels * FLOAT_BYTES),
      ]),
      increase(p.from, (outerWidth - width) * pixelBytes),
    ]);
  });
}
