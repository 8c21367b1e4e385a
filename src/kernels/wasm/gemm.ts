// Matrix product c[M x N] = op(a)[M x K] op(b)[K x N], blocked for the caches as in Goto and van de Geijn, "Anatomy
// of high-performance matrix multiplication", TOMS 2008. All shapes are constants of the emitted code.

import { forRange, increase, repeat, when, type FunctionRef, type ModuleBuilder } from "./emitter.ts";
import { i32, type Body, type I32 } from "./instructions.ts";
import { FLOAT_BYTES } from "./lanes.ts";
import { emitPack } from "./pack.ts";
import { columnsOf, forPanels, packedBytes, packedStep } from "./panels.ts";
import { emitTile, isWide, TILE_ROWS, TILE_SPILL_BYTES, type TileSpec, type TileWidth } from "./tile.ts";

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
   * (begin, end, a, b, bias, mask, c, scratch), without the bias and the mask that the spec does not ask for: rows
   * [begin, end) of c; begin is a multiple of TILE_ROWS.
   */
  readonly func: FunctionRef;
  readonly scratchBytes: number;
}

/** Steps of the reduction whose panels of a and b stay in the first-level cache (16 columns: 25 KiB). */
const MAXIMUM_BLOCK_STEPS = 400;
/** Rows of a that stay in the second-level cache (400 steps: 300 KiB). */
const BLOCK_ROWS = 192;
/** A transposed a is gathered once and read by every panel of columns; for few columns that does not pay. */
const PACK_A_COLUMNS = 48;
/** b is packed once and read by every tile of rows; for few rows that does not pay. */
const PACK_B_ROWS = 2 * TILE_ROWS;

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

export function emitGemm(module: ModuleBuilder, spec: GemmSpec, tileWidth: TileWidth): Gemm {
  const { m, n, k, transposeA, transposeB } = spec;
  const columns = columnsOf(n, tileWidth);
  const aRowBytes = (transposeA ? m : k) * FLOAT_BYTES;
  const bRowBytes = (transposeB ? k : n) * FLOAT_BYTES;
  const cRowBytes = n * FLOAT_BYTES;
  const packA = transposeA && n > PACK_A_COLUMNS;
  const packB = transposeB || (n > tileWidth && m > PACK_B_ROWS);
  const stages = stagesOf(k);
  const blockSteps = stages[0]!.steps;
  const blockRows = Math.min(BLOCK_ROWS, Math.ceil(m / TILE_ROWS) * TILE_ROWS);
  const packedABytes = packA ? (blockRows / TILE_ROWS) * blockSteps * packedStep(TILE_ROWS) : 0;
  const packedBBytes = packB ? packedBytes(columns, blockSteps) : 0;

  const names = ["begin", "end", "a", "b", "bias", "mask", "c", "scratch"] as const;
  const parameters = names.filter((name) => (name === "bias" || name === "mask" ? spec[name] : true));
  const func = module.func(`gemm ${tileWidth} ${JSON.stringify(spec)}`, parameters, (p, f) => {
    const at = f.named("i32", ["packedB", "spill", "panel", "aTile", "cTile"]);
    const index = f.named("i32", ["block", "panelOffset", "rowBlock", "rowBlockEnd", "row"]);
    const aOffset = (row: I32) => i32.mul(row, transposeA ? FLOAT_BYTES : aRowBytes);

    const packRows = (steps: number): Body => {
      const pack = emitPack(module, TILE_ROWS, steps, { transposed: false, rowBytes: aRowBytes });
      return [
        at.aTile.set(p.scratch),
        forRange(index.row, index.rowBlock, index.rowBlockEnd, TILE_ROWS, [
          pack.call(i32.add(p.a, aOffset(index.row)), at.aTile),
          increase(at.aTile, steps * packedStep(TILE_ROWS)),
        ]),
      ];
    };
    const packColumns = (steps: number): Body => [
      at.panel.set(at.packedB),
      forPanels(columns, index.panelOffset, at.panel, steps * packedStep(tileWidth), (width) => {
        const pack = emitPack(module, width, steps, { transposed: transposeB, rowBytes: bRowBytes });
        const offset = transposeB ? i32.mul(index.panelOffset, k) : index.panelOffset;
        return pack.call(i32.add(p.b, offset), at.panel);
      }),
    ];
    /** All rows of the block times one panel. */
    const multiplyPanel = (stage: Stage, width: number): Body => {
      const tile = (rows: number): Body => {
        const tileSpec: TileSpec = {
          rows,
          width,
          aRow: transposeA ? FLOAT_BYTES : aRowBytes,
          aStep: packA ? packedStep(TILE_ROWS) : transposeA ? aRowBytes : FLOAT_BYTES,
          bStep: packB ? packedStep(width) : bRowBytes,
          runLength: stage.steps,
          aRun: 0,
          cRow: cRowBytes,
          paired: isWide(tileWidth),
          accumulate: !stage.first,
          bias: spec.bias && stage.last,
          relu: spec.relu && stage.last,
          mask: spec.mask && stage.last,
        };
        const b = packB ? at.panel : i32.add(p.b, index.panelOffset);
        const bias = spec.bias ? i32.add(p.bias, index.panelOffset) : 0;
        const mask = tileSpec.mask ? [i32.add(p.mask, i32.sub(at.cTile, p.c))] : [];
        return emitTile(module, tileSpec).call(at.aTile, b, at.cTile, bias, at.spill, 1, ...mask);
      };
      const aTileBytes = packA
        ? stage.steps * packedStep(TILE_ROWS)
        : TILE_ROWS * (transposeA ? FLOAT_BYTES : aRowBytes);
      const wholeEnd = i32.sub(index.rowBlockEnd, TILE_ROWS - 1);
      return [
        at.aTile.set(packA ? p.scratch : i32.add(p.a, aOffset(index.rowBlock))),
        at.cTile.set(i32.add(i32.add(p.c, index.panelOffset), i32.mul(index.rowBlock, cRowBytes))),
        m < TILE_ROWS
          ? index.row.set(index.rowBlock)
          : forRange(index.row, index.rowBlock, wholeEnd, TILE_ROWS, [
              tile(TILE_ROWS),
              increase(at.aTile, aTileBytes),
              increase(at.cTile, TILE_ROWS * cRowBytes),
            ]),
        m % TILE_ROWS === 0 ? [] : when(i32.ltU(index.row, index.rowBlockEnd), tile(m % TILE_ROWS)),
      ];
    };

    const runStage = (stage: Stage): Body =>
      repeat(index.block, stage.count, [
        packB ? packColumns(stage.steps) : [],
        forRange(index.rowBlock, p.begin, p.end, blockRows, [
          index.rowBlockEnd.set(
            i32.select(
              i32.ltU(i32.sub(p.end, index.rowBlock), blockRows),
              p.end,
              i32.add(index.rowBlock, blockRows),
            ),
          ),
          packA ? packRows(stage.steps) : [],
          at.panel.set(at.packedB),
          forPanels(columns, index.panelOffset, at.panel, stage.steps * packedStep(tileWidth), (width) =>
            multiplyPanel(stage, width),
          ),
        ]),
        increase(p.a, stage.steps * (transposeA ? aRowBytes : FLOAT_BYTES)),
        increase(p.b, stage.steps * (transposeB ? FLOAT_BYTES : bRowBytes)),
      ]);

    return [
      at.packedB.set(i32.add(p.scratch, packedABytes)),
      at.spill.set(i32.add(at.packedB, packedBBytes)),
      stages.map(runStage),
    ];
  });
  return { func, scratchBytes: packedABytes + packedBBytes + TILE_SPILL_BYTES };
}
