// The last leg of a product that was computed transposed: a block of c^T goes from scratch into c.

import { forRange, increase, type FunctionRef, type ModuleBuilder } from "../../../wasm/emitter.ts";
import { f32x4, v128, type Body } from "../../../wasm/instructions.ts";
import {
  FLOAT_BYTES,
  storeRow,
  VECTOR_BYTES,
  VECTOR_FLOATS,
  vectorsOf,
  type Vector,
} from "../../../wasm/lanes.ts";
import { transpose4x4 } from "../../../wasm/transpose.ts";

/** Strides in bytes. The source has `columns` rows of at least `rows` floats. */
export interface TurnSpec {
  readonly rows: number;
  readonly columns: number;
  readonly sourceRow: number;
  readonly targetRow: number;
  /** target += source^T rather than target = source^T. */
  readonly accumulate: boolean;
  /** Zeroes what it stores where `mask`, which lies like the target, is not above 0. */
  readonly mask: boolean;
}

/** A function (source, target), and mask if there is one. Reads up to three rows behind the source. */
export function emitTurn(module: ModuleBuilder, spec: TurnSpec): FunctionRef {
  const { rows, columns, sourceRow, targetRow } = spec;
  const names = ["source", "target", "mask"] as const;
  const parameters = names.filter((name) => name !== "mask" || spec.mask);
  return module.func(`turn ${JSON.stringify(spec)}`, parameters, ({ source, target, mask }, f) => {
    const square = transpose4x4(f);
    const column = f.local("i32");
    const value = f.local("v128");
    const rest = columns % VECTOR_FLOATS;

    /** All rows of up to four columns. */
    const block = (lanes: number): Body =>
      vectorsOf(rows).map((group): Body => [
        square.rows.map((row, i) => row.set(v128.load(source, i * sourceRow + group.offset))),
        square.interleave,
        square.columns.slice(0, group.lanes).map((sums, i): Body => {
          const offset = (group.offset / FLOAT_BYTES + i) * targetRow;
          const vector: Vector = { offset, lanes };
          return [
            value.set(spec.accumulate ? f32x4.add(v128.load(target, offset), sums) : sums),
            spec.mask ? value.set(v128.and(value, f32x4.gt(v128.load(mask, offset), v128.zero))) : [],
            storeRow(target, [vector], [value]),
          ];
        }),
      ]);
    return [
      forRange(column, 0, columns - rest, VECTOR_FLOATS, [
        block(VECTOR_FLOATS),
        increase(source, VECTOR_FLOATS * sourceRow),
        increase(target, VECTOR_BYTES),
        spec.mask ? increase(mask, VECTOR_BYTES) : [],
      ]),
      rest === 0 ? [] : block(rest),
    ];
  });
}
