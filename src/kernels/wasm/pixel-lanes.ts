// The micro-kernel of convolutions with one input channel and few filters: pixels lie on the lanes, so that filters
// that fill no vector waste none. A tile is 2 rows x 8 pixels x up to 6 filters, max-pooled in windows of 2 x 2 on the
// way out. Every pixel is one chain of multiply-adds in the order of the taps, then the bias: the bits of emitTile.

import { increase, repeat, type FunctionRef, type Local, type ModuleBuilder } from "./emitter.ts";
import { f32x4, i32x4, shuffle32, v128, type Body, type V128 } from "./instructions.ts";
import { FLOAT_BYTES, storeRow, VECTOR_BYTES, VECTOR_FLOATS } from "./lanes.ts";

/** Pixels of a row that a tile covers, and the pooled ones that become of them. */
export const TILE_PIXELS = 8;
export const TILE_POOLED = TILE_PIXELS / 2;
const ROWS = 2;
/** 12 sums (a joined pair counts as one), a row's pixels and a weight fit the 16 registers of x64. */
export const TILE_FILTERS = 6;
const TILE_VECTORS = TILE_PIXELS / VECTOR_FLOATS;
/** Scratch of a tile: its convolution, [2 rows][filters][8 pixels]. */
export const PIXEL_TILE_SPILL_BYTES = ROWS * TILE_FILTERS * TILE_PIXELS * FLOAT_BYTES;

export interface PixelTileSpec {
  readonly window: readonly [number, number];
  /** Of the tile, and of w and the results. */
  readonly filters: number;
  readonly allFilters: number;
  /** Pooled pixels that count, up to TILE_POOLED. */
  readonly pooled: number;
  /** Bytes from one row of x to the next. */
  readonly rowBytes: number;
  readonly bias: boolean;
  readonly relu: boolean;
  /** The machine works on pairs of vectors (see WasmTarget.wide). */
  readonly paired: boolean;
}

/**
 * A function of six addresses (x, w, bias, y, winners, spill). It reads 8 + KW - 1 pixels of 2 + KH - 1 rows, and
 * writes `pooled` neighbouring pixels of y and winners.
 */
export function emitPixelTile(module: ModuleBuilder, spec: PixelTileSpec): FunctionRef {
  const { window, filters, allFilters, rowBytes } = spec;
  const names = ["x", "w", "bias", "y", "winners", "spill"] as const;
  return module.func(`pixel-tile ${JSON.stringify(spec)}`, names, (p, f) => {
    const width = spec.paired ? TILE_VECTORS : 1;
    const sums = grid(ROWS, () => grid(filters, () => f.locals("v128", width)));
    const pixels = grid(ROWS, () => f.locals("v128", width));
    const weight = f.local("v128");
    const { row, from, weights } = f.named("i32", ["row", "from", "weights"]);
    const multiplyAdd = (x: V128, y: V128, z: V128): V128 =>
      module.relaxedSimd ? f32x4.relaxedMadd(x, y, z) : f32x4.add(f32x4.mul(x, y), z);

    /** The vectors [first, first + width) of the tile's rows. */
    const convolve = (first: number): Body => [
      sums.flat(2).map((sum) => sum.set(v128.zero)),
      from.set(p.x),
      weights.set(p.w),
      repeat(row, window[0], [
        grid(window[1], (column) => [
          pixels.map((vectors, y) =>
            vectors.map((pixel, j) =>
              pixel.set(v128.load(from, y * rowBytes + column * FLOAT_BYTES + (first + j) * VECTOR_BYTES)),
            ),
          ),
          grid(filters, (filter) => [
            weight.set(v128.load32Splat(weights, (column * allFilters + filter) * FLOAT_BYTES)),
            sums.map((ofRow, y) =>
              ofRow[filter]!.map((sum, j) => sum.set(multiplyAdd(weight, pixels[y]![j]!, sum))),
            ),
          ]),
        ]),
        increase(from, rowBytes),
        increase(weights, window[1] * allFilters * FLOAT_BYTES),
      ]),
      grid(filters, (filter) => [
        spec.bias
          ? [
              weight.set(v128.load32Splat(p.bias, filter * FLOAT_BYTES)),
              sums.map((ofRow) => ofRow[filter]!.map((sum) => sum.set(f32x4.add(sum, weight)))),
            ]
          : [],
        sums.map((ofRow, y) =>
          ofRow[filter]!.map((sum, j) =>
            v128.store(p.spill, sum, spillOffset(filters, y, filter) + (first + j) * VECTOR_BYTES),
          ).reverse(),
        ),
      ]),
    ];

    const corners = f.locals("v128", 4) as readonly [V, V, V, V];
    const { left, right, upper, lower } = f.named("v128", ["left", "right", "upper", "lower"]);
    const { isRight, isLowerRight } = f.named("v128", ["isRight", "isLowerRight"]);
    const values = f.locals("v128", filters);
    const cells = f.locals("v128", filters);
    /** Leaves the pooled pixels of a filter in the lanes of its value and cell. */
    const pool = (filter: number): Body => [
      grid(ROWS, (y) => {
        const at = spillOffset(filters, y, filter);
        return [
          left.set(v128.load(p.spill, at)),
          right.set(v128.load(p.spill, at + VECTOR_BYTES)),
          corners[2 * y]!.set(shuffle32(left, right, [0, 2, 4, 6])),
          corners[2 * y + 1]!.set(shuffle32(left, right, [1, 3, 5, 7])),
        ];
      }),
      isRight.set(f32x4.gt(corners[1], corners[0])),
      isLowerRight.set(f32x4.gt(corners[3], corners[2])),
      upper.set(maximum(corners[0], corners[1])),
      lower.set(maximum(corners[2], corners[3])),
      // A comparison is -1 where it holds, and a larger cell further on must be larger indeed: ties go to the first.
      cells[filter]!.set(
        v128.bitselect(
          i32x4.sub(i32x4.const([2, 2, 2, 2]), isLowerRight),
          i32x4.sub(v128.zero, isRight),
          f32x4.gt(lower, upper),
        ),
      ),
      values[filter]!.set(spec.relu ? f32x4.pmax(maximum(upper, lower), v128.zero) : maximum(upper, lower)),
    ];
    return [
      spec.paired ? convolve(0) : grid(TILE_VECTORS, convolve),
      grid(filters, pool),
      storeTransposed(p.y, values, spec.pooled, allFilters * FLOAT_BYTES),
      storeTransposed(p.winners, cells, spec.pooled, allFilters * FLOAT_BYTES),
    ];
  });
}

type V = Local<"v128">;

function grid<T>(count: number, of: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => of(index));
}

function spillOffset(filters: number, row: number, filter: number): number {
  return (row * filters + filter) * TILE_PIXELS * FLOAT_BYTES;
}

/** The larger of each pair of lanes; NaN if one is. */
function maximum(a: V128, b: V128): V128 {
  return v128.or(f32x4.pmax(a, b), f32x4.pmax(b, a));
}

/** target[lane][i] = rows[i]'s lane, for the first `lanes` lanes. */
function storeTransposed(target: Local<"i32">, rows: readonly V[], lanes: number, strideBytes: number): Body {
  const groups = Math.ceil(rows.length / VECTOR_FLOATS);
  return grid(groups, (group) => {
    const some = rows.slice(group * VECTOR_FLOATS, (group + 1) * VECTOR_FLOATS);
    const [a, b, c, d] = grid(VECTOR_FLOATS, (i) => some[Math.min(i, some.length - 1)]!) as [V, V, V, V];
    const vector = { offset: group * VECTOR_BYTES, lanes: some.length };
    return grid(lanes, (lane) => {
      const pair = [lane, 4 + lane, lane, 4 + lane] as const;
      const column =
        some.length <= 2
          ? shuffle32(a, b, pair)
          : shuffle32(shuffle32(a, b, pair), shuffle32(c, d, pair), [0, 1, 4, 5]);
      return storeRow(target, [vector], [column], lane * strideBytes);
    });
  });
}
