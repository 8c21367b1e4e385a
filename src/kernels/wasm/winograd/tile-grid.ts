// Images cut into square patches that lie `step` cells apart and may stick out of the image: which cells of which
// patches exist, and a walk over them. Decided when code is written, so that the edges cost no tests at run time.

import { forRange, increase, when, type FunctionRef, type ModuleBuilder } from "../../../wasm/emitter.ts";
import { i32, type Body } from "../../../wasm/instructions.ts";
import { FLOAT_BYTES } from "../../../wasm/lanes.ts";

/** One spatial axis, in cells. */
export interface GridAxis {
  /** Of the image. */
  readonly extent: number;
  /** The first patch begins so many cells ahead of the image. */
  readonly before: number;
  readonly patches: number;
}

export interface TileGrid {
  readonly vertical: GridAxis;
  readonly horizontal: GridAxis;
  readonly channels: number;
  /** Cells of a patch along each axis. */
  readonly patch: number;
  /** Cells from patch to patch. */
  readonly step: number;
}

/** Neighbouring patches of which the same cells, [low, high) of them, lie in the image. */
export interface Stretch {
  readonly first: number;
  readonly count: number;
  readonly low: number;
  readonly high: number;
}

export function stretchesOf(
  { extent, before, patches }: GridAxis,
  { patch, step }: Pick<TileGrid, "patch" | "step">,
): readonly Stretch[] {
  const stretches: Stretch[] = [];
  for (let index = 0; index < patches; index++) {
    const begin = index * step - before;
    const low = Math.max(0, -begin);
    const high = Math.min(patch, extent - begin);
    const last = stretches.at(-1);
    if (last?.low === low && last.high === high) stretches.splice(-1, 1, { ...last, count: last.count + 1 });
    else stretches.push({ first: index, count: 1, low, high });
  }
  return stretches;
}

/** Cells from the image's first to the first that exists of patch `first` of a stretch. */
function firstCell({ before }: GridAxis, step: number, { first, low }: Stretch): number {
  return first * step - before + low;
}

/**
 * A function (begin, end, image, mask, bias, patches): walks over rows of patches [begin, end), counted through all
 * images. `emit` gives the function (image, mask, bias, patches, count) that does `count` neighbouring patches of one
 * kind; `image` and `mask` point at the first cell that exists, `patches` at the first patch's place, of which there
 * is one for every patch, `pitch` bytes from the next.
 */
export function emitGridWalk(
  module: ModuleBuilder,
  name: string,
  grid: TileGrid,
  pitch: number,
  emit: (rows: Stretch, columns: Stretch) => FunctionRef,
): FunctionRef {
  const { vertical, horizontal, channels, step } = grid;
  const pixelBytes = channels * FLOAT_BYTES;
  const rowBytes = horizontal.extent * pixelBytes;
  const imageBytes = vertical.extent * rowBytes;
  const columnStretches = stretchesOf(horizontal, grid);
  const names = ["begin", "end", "image", "mask", "bias", "patches"] as const;
  return module.func(`walk ${name}`, names, (p, f) => {
    const { row, inImage, offset, at } = f.named("i32", ["row", "inImage", "offset", "at"]);
    const doRow = (rows: Stretch): Body => [
      // In a stretch of several rows nothing sticks out above.
      increase(offset, firstCell(vertical, step, rows) * rowBytes),
      increase(offset, rows.count === 1 ? 0 : i32.mul(i32.sub(inImage, rows.first), step * rowBytes)),
      columnStretches.map((columns) => [
        at.set(i32.add(offset, firstCell(horizontal, step, columns) * pixelBytes)),
        emit(rows, columns).call(i32.add(p.image, at), i32.add(p.mask, at), p.bias, p.patches, columns.count),
        increase(p.patches, columns.count * pitch),
      ]),
    ];
    const [first, ...others] = stretchesOf(vertical, grid);
    const dispatch = others.reduce(
      (otherwise: Body, rows) => when(i32.ltU(inImage, rows.first), otherwise, doRow(rows)),
      doRow(first!),
    );
    return forRange(row, p.begin, p.end, 1, [
      offset.set(i32.divU(row, vertical.patches)),
      inImage.set(i32.sub(row, i32.mul(offset, vertical.patches))),
      offset.set(i32.mul(offset, imageBytes)),
      dispatch,
    ]);
  });
}
