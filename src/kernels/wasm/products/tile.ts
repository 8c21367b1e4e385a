// The micro-kernel that does all the multiplying: a tile c[rows x width] of a product, kept in registers while it
// runs over the reduction. Matrix products are calls of it with other strides.
//
// Every element is one chain of multiply-adds in the order of the reduction, begun at zero; what is accumulated in
// memory is added at the end. So tiles of any shape give equal bits.

import { increase, repeat, whileLoop, type FunctionRef, type ModuleBuilder } from "../../../wasm/emitter.ts";
import type { WasmTarget } from "../kernel.ts";
import { VECTOR_BYTES } from "../../../wasm/lanes.ts";
import { registerTile, unrollOf } from "./register-tile.ts";

/** All strides in bytes. */
export interface TileSpec {
  /** Of c, at most `tileRows`: 12 sums (a joined pair counts as one) fit the 16 registers of x64. */
  readonly rows: number;
  /** Columns of c. */
  readonly width: number;
  /** Between the rows' first elements of a. */
  readonly aRow: number;
  /** From one step of the reduction to the next, within a run. */
  readonly aStep: number;
  readonly bStep: number;
  /** The reduction is a number of runs of `runLength` steps; from run to run a's address grows by `aRun`. */
  readonly runLength: number;
  readonly aRun: number;
  readonly cRow: number;
  /** The machine works on pairs of vectors (see WasmTarget.wide). */
  readonly paired: boolean;
  /** c += product rather than c = product. */
  readonly accumulate: boolean;
  /** Adds bias[width] to every row. */
  readonly bias: boolean;
  /** Clamps at zero, after the bias; a NaN stays NaN. */
  readonly relu: boolean;
  /** Zeroes what it stores where `mask`, which lies like c, is not above 0. */
  readonly mask?: boolean;
}

/** Rows of a tile of full width. */
export const TILE_ROWS = 6;

/** Columns of a full tile: for targets that are not wide, and that are. */
export const TILE_WIDTHS = [8, 16] as const;
export type TileWidth = (typeof TILE_WIDTHS)[number];

export function isWide(tileWidth: TileWidth): boolean {
  return tileWidth === 16;
}

export function suits(tileWidth: TileWidth, target: WasmTarget): boolean {
  return target.wide === isWide(tileWidth);
}

/** Rows of a tile of this width: as many as keep its sums at 12, so that narrow tiles hide latencies too. */
export function tileRows(width: number, tileWidth: TileWidth): number {
  return 2 * width <= tileWidth ? 2 * TILE_ROWS : TILE_ROWS;
}

/** Scratch of a tile: a pair of vectors for each row. */
export const TILE_SPILL_BYTES = 2 * TILE_ROWS * 2 * VECTOR_BYTES;

/**
 * A function (a, b, c, bias, spill, runs): five addresses, of which `bias` is ignored where there is none, and the
 * number of runs. With a mask, its address comes last.
 */
export function emitTile(module: ModuleBuilder, spec: TileSpec): FunctionRef {
  const { aRow, aStep, runLength, aRun, mask = false } = spec;
  const names = ["a", "b", "c", "bias", "spill", "runs", "mask"] as const;
  const parameters = names.filter((name) => name !== "mask" || mask);
  return module.func(`tile ${JSON.stringify(spec)}`, parameters, (p, f) => {
    const rows = Array.from({ length: spec.rows }, (_, i) => i * aRow);
    const bias = spec.bias ? ("columns" as const) : undefined;
    const tile = registerTile(module, f, { ...spec, rows, bias, mask }, p);
    const pass = f.local("i32");
    const unroll = unrollOf(runLength);
    const rest = runLength % unroll;
    return [
      whileLoop(p.runs, [
        repeat(pass, Math.floor(runLength / unroll), tile.steps(unroll)),
        rest === 0 ? [] : tile.steps(rest),
        increase(p.a, aRun - runLength * aStep),
        increase(p.runs, -1),
      ]),
      tile.finish,
    ];
  });
}
