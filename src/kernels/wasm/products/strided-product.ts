// A product of small matrices where they lie, nothing packed: c = a b or c += a b, tile by tile. For operands that stay in
// the first-level cache, as the blocks of attention do.

import { increase, repeat, type FunctionRef, type ModuleBuilder } from "../../../wasm/emitter.ts";
import type { Body } from "../../../wasm/instructions.ts";
import { FLOAT_BYTES } from "../../../wasm/lanes.ts";
import { balancedPieces } from "../../../wasm/pieces.ts";
import { columnsOf } from "./panels.ts";
import { emitTile, isWide, tileRows, type TileWidth } from "./tile.ts";

/** All strides in bytes. */
export interface StridedProductSpec {
  /** Of c. */
  readonly rows: number;
  readonly columns: number;
  readonly aRow: number;
  /** From one step of the reduction to the next. */
  readonly aStep: number;
  readonly bStep: number;
  readonly cRow: number;
  /** Steps of one run: the caller says how many runs there are. */
  readonly runLength: number;
  readonly accumulate: boolean;
}

/** A function (a, b, c, spill, runs): four addresses, `spill` of TILE_SPILL_BYTES, and how often `runLength` steps. */
export function emitStridedProduct(
  module: ModuleBuilder,
  spec: StridedProductSpec,
  tileWidth: TileWidth,
): FunctionRef {
  const { rows, aRow, aStep, bStep, cRow, runLength, accumulate } = spec;
  const columns = columnsOf(spec.columns, tileWidth);
  const key = `strided-product ${tileWidth} ${JSON.stringify(spec)}`;
  return module.func(key, ["a", "b", "c", "spill", "runs"], (p, f) => {
    const at = f.named("i32", ["a", "c", "panel", "tile"]);
    const panel = (width: number): Body => [
      at.a.set(p.a),
      at.c.set(p.c),
      balancedPieces(rows, tileRows(width, tileWidth)).map(({ count, size }) => {
        const tile = emitTile(module, {
          ...{ rows: size, width, aRow, aStep, bStep, cRow, runLength, accumulate },
          aRun: runLength * aStep,
          paired: isWide(tileWidth),
          bias: false,
          relu: false,
        });
        return repeat(at.tile, count, [
          tile.call(at.a, p.b, at.c, 0, p.spill, p.runs),
          increase(at.a, size * aRow),
          increase(at.c, size * cRow),
        ]);
      }),
    ];
    return [
      repeat(at.panel, columns.full, [
        panel(columns.width),
        increase(p.b, columns.width * FLOAT_BYTES),
        increase(p.c, columns.width * FLOAT_BYTES),
      ]),
      columns.rest === 0 ? [] : panel(columns.rest),
    ];
  });
}
