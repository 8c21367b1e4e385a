// Matrix product c[M x N] = op(a)[M x K] op(b)[K x N], blocked for the caches as in Goto and van de Geijn, "Anatomy
// of high-performance matrix multiplication", TOMS 2008. All shapes are constants of the emitted code.
//
// A panel of b is packed right before it is used, so that it stays in the first-level cache, while a block of a stays
// in the second. Where c has few rows or columns it is computed transposed: see `isTurned`.

import {
  increase,
  repeat,
  when,
  whileLoop,
  type FunctionRef,
  type ModuleBuilder,
} from "../../../wasm/emitter.ts";
import { cacheLinesOf, emitFetch, FETCH_MINIMUM_BYTES } from "../../../wasm/fetch.ts";
import { i32, type Body, type I32 } from "../../../wasm/instructions.ts";
import { FLOAT_BYTES, VECTOR_BYTES } from "../../../wasm/lanes.ts";
import { emitPack } from "./pack.ts";
import { columnsOf, packedStep } from "./panels.ts";
import { balancedPieces } from "../../../wasm/pieces.ts";
import { emitTile, isWide, TILE_ROWS, TILE_SPILL_BYTES, tileRows, type TileWidth } from "./tile.ts";
import { emitTurn } from "./turn.ts";

export interface GemmSpec {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** a is stored as [K x M], b as [N x K]. */
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  /** Adds bias[N] to every row, then clamps at zero. */
  readonly bias: boolean;
  readonly relu: boolean;
  /** Zeroes c where mask[M x N] is not above 0. */
  readonly mask: boolean;
}

export interface Gemm {
  /**
   * (begin, end, a, b, bias, mask, c, scratch), without the bias and the mask that the spec does not ask for: units
   * [begin, end) of c, which are pieces of its rows and columns.
   */
  readonly func: FunctionRef;
  readonly extent: number;
  readonly scratchBytes: number;
}

/** Steps of the reduction whose panels of a and b stay in the first-level cache (16 columns: 25 KiB). */
const MAXIMUM_BLOCK_STEPS = 400;
/** Rows of a that stay in the second-level cache (400 steps: 300 KiB). */
const BLOCK_ROWS = 192;
/** A transposed a is gathered once and read by every panel of columns; for few columns that does not pay. */
const PACK_A_COLUMNS = 48;
/** Rows that lie far apart cost more than packing them if very many panels read them. */
const PACK_ROWS_COLUMNS = 768;
/** Rows of a transposed a that fit two cache lines are read in place: they lie about as they would be packed. */
const PACK_A_ROWS = 32;
/** A panel of b is packed once and read by every tile of rows; for few rows that does not pay. */
const PACK_B_ROWS = 2 * TILE_ROWS;

/** Up to so many columns of c the lanes of a tile are better filled by its rows. */
const TURN_COLUMNS = 12;
/** Up to so many rows of c the transposition of b costs more than that of a and c. */
const TURN_ROWS = 32;

/** A stretch of the reduction: `count` blocks of `steps` steps that run the same code. */
interface Stage {
  readonly steps: number;
  readonly count: number;
  readonly first: boolean;
  readonly last: boolean;
}

/** Depends on K alone, so that all tiles sum in one order. */
function stagesOf(k: number): readonly Stage[] {
  const blocks = Math.ceil(k / MAXIMUM_BLOCK_STEPS);
  const steps = Math.ceil(k / blocks / 4) * 4;
  if (blocks === 1) return [{ steps: k, count: 1, first: true, last: true }];
  const whole = Math.ceil(k / steps) - 1;
  return [
    { steps, count: 1, first: true, last: false },
    ...(whole > 1 ? [{ steps, count: whole - 1, first: false, last: false }] : []),
    { steps: k - whole * steps, count: 1, first: false, last: true },
  ];
}

/**
 * Whether the loops compute c^T = op(b)^T op(a)^T, each unit into scratch and from there into c: the same sums in the
 * same order. It saves lanes where c has few columns, the transposition of b where it has few rows, and packing where
 * the reduction is long and all rows of c^T fit one block.
 */
function isTurned(spec: GemmSpec): boolean {
  const { m, n, transposeA, transposeB, bias, relu } = spec;
  if (bias || relu) return false;
  if (transposeA) return m > n && n <= (isLong(spec) ? BLOCK_ROWS : TURN_COLUMNS);
  return transposeB && m <= TURN_ROWS && n > m;
}

/** A sum over very many rows of both operands, as in a filter's gradient: they come from memory, and are used little. */
function isLong({ m, n, k, transposeA, transposeB }: GemmSpec): boolean {
  const bytes = (m + n) * k * FLOAT_BYTES;
  return transposeA && !transposeB && k > MAXIMUM_BLOCK_STEPS && bytes > FETCH_MINIMUM_BYTES;
}

/** Few rows leave registers to more columns, and b is then read in longer stretches. */
function panelWidthOf(rows: number, columns: number, tileWidth: TileWidth): number {
  const widest = tileWidth * Math.max(1, Math.floor(TILE_ROWS / rows));
  const panels = Math.ceil(columns / widest);
  return Math.ceil(columns / panels / 8) * 8;
}

export function emitGemm(module: ModuleBuilder, spec: GemmSpec, tileWidth: TileWidth): Gemm {
  const turned = isTurned(spec);
  // From here on left, right, m and n are those of the product that the loops compute.
  const [m, n] = turned ? [spec.n, spec.m] : [spec.m, spec.n];
  const { k } = spec;
  const transposeLeft = turned ? !spec.transposeB : spec.transposeA;
  const transposeRight = turned ? !spec.transposeA : spec.transposeB;
  const leftRowBytes = (transposeLeft ? m : k) * FLOAT_BYTES;
  const rightRowBytes = (transposeRight ? k : n) * FLOAT_BYTES;
  const cRowBytes = spec.n * FLOAT_BYTES;
  const panelWidth = panelWidthOf(m, n, tileWidth);
  const columns = columnsOf(n, panelWidth);
  const panels = columns.full + Math.sign(columns.rest);
  const blocks = columnsOf(m, BLOCK_ROWS);
  const packLeft = transposeLeft
    ? n > PACK_A_COLUMNS && m > PACK_A_ROWS
    : n > PACK_ROWS_COLUMNS && m > PACK_B_ROWS;
  const packRight = transposeRight || (n > panelWidth && m > PACK_B_ROWS);
  const stages = stagesOf(k);
  const fetches = isLong(spec) && packLeft && m <= BLOCK_ROWS;
  const blockRows = Math.min(BLOCK_ROWS, m);
  const leftRow = transposeLeft ? FLOAT_BYTES : leftRowBytes;
  const leftStep = transposeLeft ? leftRowBytes : FLOAT_BYTES;
  const rightColumn = transposeRight ? rightRowBytes : FLOAT_BYTES;
  const rightStep = transposeRight ? FLOAT_BYTES : rightRowBytes;

  const blockSteps = stages[0]!.steps;
  const packedLeftBytes = packLeft
    ? Math.ceil(blockRows / TILE_ROWS) * blockSteps * packedStep(TILE_ROWS)
    : 0;
  const packedRightBytes = packRight ? blockSteps * packedStep(Math.min(n, panelWidth)) : 0;
  const turnedBytes = turned ? blockRows * panelWidth * FLOAT_BYTES + VECTOR_BYTES : 0;

  const names = ["begin", "end", "a", "b", "bias", "mask", "c", "scratch"] as const;
  const parameters = names.filter((name) => (name === "bias" || name === "mask" ? spec[name] : true));
  const func = module.func(`gemm ${tileWidth} ${JSON.stringify(spec)}`, parameters, (p, f) => {
    const [left, right] = turned ? [p.b, p.a] : [p.a, p.b];
    const at = f.named("i32", ["packedRight", "turned", "spill", "left", "leftTile", "right", "c", "cTile"]);
    const index = f.named("i32", ["stage", "unit", "block", "panel", "panelEnd", "fullEnd", "tile"]);

    const smaller = (a: I32, b: I32): I32 => i32.select(i32.ltU(a, b), a, b);
    const pieces = (rows: number, width: number) =>
      balancedPieces(rows, packLeft ? TILE_ROWS : tileRows(width, tileWidth));

    /** The rows of a block, tile by tile, as the panels will read them. */
    const packBlock = (stage: Stage, rows: number): Body => [
      at.leftTile.set(p.scratch),
      pieces(rows, tileWidth).map(({ count, size }) => {
        const pack = emitPack(module, size, stage.steps, {
          transposed: !transposeLeft,
          rowBytes: leftRowBytes,
        });
        return repeat(index.tile, count, [
          pack.call(at.left, at.leftTile),
          increase(at.left, size * leftRow),
          increase(at.leftTile, stage.steps * packedStep(size)),
        ]);
      }),
    ];

    /** All tiles of rows of a block times the panel at `at.right`. */
    const multiplyPanel = (stage: Stage, rows: number, width: number): Body => {
      const finish = {
        bias: spec.bias && stage.last,
        relu: spec.relu && stage.last,
        mask: spec.mask && stage.last,
      };
      const pack = emitPack(module, width, stage.steps, {
        transposed: transposeRight,
        rowBytes: rightRowBytes,
      });
      const cTileRow = turned ? packedStep(panelWidth) : cRowBytes;
      // Columns beside a turned tile are nobody's: it may compute whole pairs.
      const tileColumns = turned ? Math.ceil(width / 8) * 8 : width;
      const maskOf = (c: I32) => (finish.mask ? [i32.add(p.mask, i32.sub(c, p.c))] : []);
      const tile = (size: number): Body => {
        const tileFunction = emitTile(module, {
          rows: size,
          width: tileColumns,
          aRow: packLeft ? FLOAT_BYTES : leftRow,
          aStep: packLeft ? packedStep(size) : leftStep,
          bStep: packRight ? packedStep(width) : rightStep,
          runLength: stage.steps,
          aRun: 0,
          cRow: cTileRow,
          paired: isWide(tileWidth),
          ...(turned
            ? { accumulate: false, bias: false, relu: false }
            : { accumulate: !stage.first, ...finish }),
        });
        const bias =
          !turned && finish.bias ? i32.add(p.bias, i32.mul(index.panel, panelWidth * FLOAT_BYTES)) : 0;
        const b = packRight ? at.packedRight : at.right;
        return tileFunction.call(
          at.leftTile,
          b,
          at.cTile,
          bias,
          at.spill,
          1,
          ...(turned ? [] : maskOf(at.cTile)),
        );
      };
      return [
        packRight ? pack.call(at.right, at.packedRight) : [],
        at.leftTile.set(packLeft ? p.scratch : at.left),
        at.cTile.set(turned ? at.turned : at.c),
        pieces(rows, width).map(({ count, size }) =>
          repeat(index.tile, count, [
            tile(size),
            increase(at.leftTile, packLeft ? stage.steps * packedStep(size) : size * leftRow),
            increase(at.cTile, size * cTileRow),
          ]),
        ),
        turned
          ? emitTurn(module, {
              rows: width,
              columns: rows,
              sourceRow: cTileRow,
              targetRow: cRowBytes,
              accumulate: !stage.first,
              mask: finish.mask,
            }).call(at.turned, at.c, ...maskOf(at.c))
          : [],
      ];
    };

    /** What the panels [panel, panelEnd) will read in a stage, of an only block of rows. */
    const fetchOperands = ({ steps }: Stage): Body => {
      const bytes = (panel: I32) => smaller(i32.mul(panel, panelWidth * FLOAT_BYTES), n * FLOAT_BYTES);
      return [
        emitFetch(module, { rows: 1, rowBytes: 0 }).call(at.left, cacheLinesOf(steps * leftRowBytes)),
        emitFetch(module, { rows: steps, rowBytes: rightRowBytes }).call(
          at.right,
          cacheLinesOf(i32.sub(bytes(index.panelEnd), bytes(index.panel))),
        ),
      ];
    };

    /** The panels [panel, panelEnd) of a block of rows. */
    const multiplyBlock = (stage: Stage, rows: number): Body => {
      const cColumn = turned ? cRowBytes : FLOAT_BYTES;
      const cRow = turned ? FLOAT_BYTES : cRowBytes;
      const panelStep = (step: number) => [
        increase(at.right, step * rightColumn),
        increase(at.c, step * cColumn),
      ];
      return [
        at.left.set(i32.add(left, i32.mul(index.block, BLOCK_ROWS * leftRow))),
        at.right.set(i32.add(right, i32.mul(index.panel, panelWidth * rightColumn))),
        at.c.set(
          i32.add(
            p.c,
            i32.add(i32.mul(index.block, BLOCK_ROWS * cRow), i32.mul(index.panel, panelWidth * cColumn)),
          ),
        ),
        fetches ? fetchOperands(stage) : [],
        packLeft ? packBlock(stage, rows) : [],
        columns.full === 0
          ? []
          : whileLoop(i32.ltU(index.panel, index.fullEnd), [
              multiplyPanel(stage, rows, panelWidth),
              panelStep(panelWidth),
              increase(index.panel, 1),
            ]),
        columns.rest === 0
          ? []
          : when(i32.ltU(index.panel, index.panelEnd), multiplyPanel(stage, rows, columns.rest)),
      ];
    };
    const runStage = (stage: Stage): Body =>
      repeat(index.stage, stage.count, [
        index.unit.set(p.begin),
        whileLoop(i32.ltU(index.unit, p.end), [
          index.block.set(i32.divU(index.unit, panels)),
          index.panel.set(i32.sub(index.unit, i32.mul(index.block, panels))),
          index.panelEnd.set(smaller(i32.add(index.panel, i32.sub(p.end, index.unit)), i32.const(panels))),
          index.fullEnd.set(smaller(index.panelEnd, i32.const(columns.full))),
          index.unit.set(i32.add(index.unit, i32.sub(index.panelEnd, index.panel))),
          blocks.full === 0
            ? multiplyBlock(stage, blocks.rest)
            : blocks.rest === 0
              ? multiplyBlock(stage, BLOCK_ROWS)
              : when(
                  i32.ltU(index.block, blocks.full),
                  multiplyBlock(stage, BLOCK_ROWS),
                  multiplyBlock(stage, blocks.rest),
                ),
        ]),
        increase(left, stage.steps * leftStep),
        increase(right, stage.steps * rightStep),
      ]);

    return [
      at.packedRight.set(i32.add(p.scratch, packedLeftBytes)),
      at.turned.set(i32.add(at.packedRight, packedRightBytes)),
      at.spill.set(i32.add(at.turned, turnedBytes)),
      stages.map(runStage),
    ];
  });
  return {
    func,
    extent: panels * (blocks.full + Math.sign(blocks.rest)),
    scratchBytes: packedLeftBytes + packedRightBytes + turnedBytes + TILE_SPILL_BYTES,
  };
}
