// What attention's two kernels share: where one head of one sample lies, products of blocks of its queries with all the
// keys that they see, and rows of scores. A unit of work is a head of a sample; queries are taken a block at a time, so that
// a block's scores stay in the first-level cache and half of the work behind the diagonal is left out.

import {
  forRange,
  increase,
  repeat,
  when,
  whileLoop,
  type FunctionBuilder,
  type Local,
  type ModuleBuilder,
} from "../../../wasm/emitter.ts";
import { i32, i32x4, type Body, type I32, type V128 } from "../../../wasm/instructions.ts";
import { FLOAT_BYTES, SWEEP_FLOATS, vectorsOf, type Vector } from "../../../wasm/lanes.ts";
import type { VectorMath } from "../../../wasm/vector-math.ts";
import type { AttentionExtents } from "../../ops/causal-attention.ts";
import { emitPack } from "../products/pack.ts";
import { columnsOf, packedBytes, packedStep, type Columns } from "../products/panels.ts";
import { emitStridedProduct } from "../products/strided-product.ts";
import type { TileWidth } from "../products/tile.ts";

/** Queries of a block: whole tiles of six rows. */
const BLOCK_QUERIES = 24;

/** Constants of one call. Sizes in bytes. */
export interface HeadLayout extends AttentionExtents {
  /** Of a row of qkv, and of y. */
  readonly qkvRow: number;
  readonly yRow: number;
  /** Of a row of scores: a multiple of what a sweep covers, and never of 4 KiB, which would crowd the cache's sets. */
  readonly scoreRow: number;
  readonly blockQueries: number;
  readonly fullBlocks: number;
  /** Queries of a last, shorter block. */
  readonly lastQueries: number;
  /** Keys cut into the tile's width. */
  readonly keys: Columns;
  readonly packedKeys: number;
  /** 1 / sqrt(head width) */
  readonly scale: number;
}

export function headLayout(extents: AttentionExtents, tileWidth: TileWidth): HeadLayout {
  const { positions, width, headWidth } = extents;
  const blockQueries = Math.min(BLOCK_QUERIES, positions);
  const keys = columnsOf(positions, tileWidth);
  return {
    ...extents,
    qkvRow: 3 * width * FLOAT_BYTES,
    yRow: width * FLOAT_BYTES,
    scoreRow: (Math.ceil(positions / SWEEP_FLOATS) + 1) * SWEEP_FLOATS * FLOAT_BYTES,
    blockQueries,
    fullBlocks: Math.floor(positions / blockQueries),
    lastQueries: positions % blockQueries,
    keys,
    packedKeys: packedBytes(keys, headWidth),
    scale: 1 / Math.sqrt(headWidth),
  };
}

/** Addresses of the head that a unit is about. */
export interface HeadPlaces {
  /** Bytes from the beginning of qkv to the head's first q, of y to its first element, of logSumExp to its first row. */
  readonly qkv: Local<"i32">;
  readonly y: Local<"i32">;
  readonly rows: Local<"i32">;
}

/** Sets the places for each unit in [begin, end) and runs `body`. */
export function forHeads(
  f: FunctionBuilder,
  layout: HeadLayout,
  { begin, end }: { readonly begin: Local<"i32">; readonly end: Local<"i32"> },
  body: (places: HeadPlaces) => Body,
): Body {
  const { heads, positions, headWidth, qkvRow, yRow } = layout;
  const { unit, sample, head, qkv, y, rows } = f.named("i32", [
    ...(["unit", "sample", "head", "qkv", "y", "rows"] as const),
  ]);
  return forRange(unit, begin, end, 1, [
    sample.set(i32.divU(unit, heads)),
    head.set(i32.mul(i32.sub(unit, i32.mul(sample, heads)), headWidth * FLOAT_BYTES)),
    qkv.set(i32.add(i32.mul(sample, positions * qkvRow), head)),
    y.set(i32.add(i32.mul(sample, positions * yRow), head)),
    rows.set(i32.mul(unit, positions * FLOAT_BYTES)),
    body({ qkv, y, rows }),
  ]);
}

/** A function that transposes a head's keys (or values) into panels of the tile's width: [headWidth, keys] each. */
export function packKeys(module: ModuleBuilder, layout: HeadLayout, source: I32, target: I32): Body {
  const { keys, headWidth, qkvRow } = layout;
  const rows = { transposed: true, rowBytes: qkvRow };
  const func = module.func(`pack-keys ${JSON.stringify(layout)}`, ["source", "target"], (p, f) => [
    repeat(f.local("i32"), keys.full, [
      emitPack(module, keys.width, headWidth, rows).call(p.source, p.target),
      increase(p.source, keys.width * qkvRow),
      increase(p.target, headWidth * packedStep(keys.width)),
    ]),
    keys.rest === 0 ? [] : emitPack(module, keys.rest, headWidth, rows).call(p.source, p.target),
  ]);
  return func.call(source, target);
}

export interface ScoreOperands {
  /** The block's first row, whose rows are `rowBytes` apart. */
  readonly rows: Local<"i32">;
  readonly rowBytes: number;
  /** As `packKeys` left them. */
  readonly packed: I32;
  readonly scores: I32;
  readonly spill: Local<"i32">;
}

/** scores[queries, seen] = rows keys^T, and some more columns where whole panels are as easy. */
export function scoreProduct(
  module: ModuleBuilder,
  f: FunctionBuilder,
  layout: HeadLayout,
  queries: number,
  seen: I32,
  { rows, rowBytes, packed, scores, spill }: ScoreOperands,
): Body {
  const { keys, headWidth, scoreRow } = layout;
  const at = f.named("i32", ["panel", "panels", "packed", "scores"]);
  const product = (columns: number): Body =>
    emitStridedProduct(
      module,
      {
        ...{ rows: queries, columns, aRow: rowBytes, aStep: FLOAT_BYTES, bStep: packedStep(columns) },
        ...{ cRow: scoreRow, runLength: headWidth, accumulate: false },
      },
      keys.width as TileWidth,
    ).call(rows, at.packed, at.scores, spill, 1);
  const reached = i32.divU(i32.add(seen, keys.width - 1), keys.width);
  return [
    at.packed.set(packed),
    at.scores.set(scores),
    at.panels.set(reached),
    at.panels.set(i32.select(i32.ltU(at.panels, keys.full), at.panels, keys.full)),
    keys.full === 0
      ? []
      : forRange(at.panel, 0, at.panels, 1, [
          product(keys.width),
          increase(at.packed, headWidth * packedStep(keys.width)),
          increase(at.scores, keys.width * FLOAT_BYTES),
        ]),
    keys.rest === 0 ? [] : when(i32.ltU(keys.full * keys.width, seen), product(keys.rest)),
  ];
}

/**
 * Runs `body` for the blocks of queries: `seen` is the number of keys that the block's last query sees, `block` the block's
 * number. `runs` says how reductions over those keys are cut.
 */
export function forBlocks(
  f: FunctionBuilder,
  { blockQueries, fullBlocks, lastQueries, positions }: HeadLayout,
  body: (block: {
    readonly queries: number;
    readonly number: Local<"i32">;
    readonly seen: I32;
    readonly runLength: number;
    readonly runs: I32;
  }) => Body,
): Body {
  const { number, seen, runs } = f.named("i32", ["number", "seen", "runs"]);
  return [
    forRange(number, 0, fullBlocks, 1, [
      runs.set(i32.add(number, 1)),
      seen.set(i32.mul(runs, blockQueries)),
      body({ queries: blockQueries, number, seen, runLength: blockQueries, runs }),
    ]),
    lastQueries === 0
      ? []
      : body({ queries: lastQueries, number, seen: positions, runLength: positions, runs: 1 }),
  ];
}

/**
 * Runs `body` over the row of scores at `row`, up to `end`, SWEEP_FLOATS at a time; `visible(j)` is the mask of what the
 * query at `position` sees of vector j.
 */
export function overScores(
  f: FunctionBuilder,
  math: VectorMath,
  pointers: readonly Local<"i32">[],
  end: I32,
  position: I32,
  body: (vectors: readonly Vector[], visible: (j: number) => V128) => Body,
): Body {
  const { column, last } = f.named("v128", ["column", "last"]);
  const visible = (j: number): V128 => i32x4.geS(last, i32x4.add(column, math.integer(4 * j)));
  return [
    column.set(i32x4.const([0, 1, 2, 3])),
    last.set(i32x4.splat(position)),
    whileLoop(i32.ltU(pointers[0]!, end), [
      body(vectorsOf(SWEEP_FLOATS), visible),
      column.set(i32x4.add(column, math.integer(SWEEP_FLOATS))),
      pointers.map((pointer) => increase(pointer, SWEEP_FLOATS * FLOAT_BYTES)),
    ]),
  ];
}
