// The filters of a Winograd convolution, transformed and packed: for every component a matrix of panels, as the
// micro-kernel reads them.

import { forRange, increase, when, type FunctionRef, type ModuleBuilder } from "../../../wasm/emitter.ts";
import { i32, v128, type Body } from "../../../wasm/instructions.ts";
import { FLOAT_BYTES, VECTOR_BYTES } from "../../../wasm/lanes.ts";
import { SLACK_BYTES } from "../kernel.ts";
import { emitPack } from "../products/pack.ts";
import { packedStep, type Columns } from "../products/panels.ts";
import { LINE_BYTES } from "./winograd-transform.ts";
import { sandwich } from "./sandwich.ts";
import type { WinogradMatrices } from "./winograd-matrices.ts";

export interface WinogradFilterSpec {
  readonly matrices: WinogradMatrices;
  /** Of the product: input channels of the convolution that is computed. */
  readonly steps: number;
  /** Output channels of the convolution that is computed. */
  readonly columns: Columns;
  /**
   * `forward`: w[3,3,steps,columns] as it is. `adjoint`: w[3,3,columns,steps] turned by half a turn, for the gradient
   * with regard to the input.
   */
  readonly filter: "forward" | "adjoint";
  /** From component to component in the result. */
  readonly planeBytes: number;
}

export interface WinogradFilter {
  /** (begin, end, w, result, scratch): panels [begin, end). */
  readonly func: FunctionRef;
  readonly panels: number;
  readonly scratchBytes: number;
}

export function emitWinogradFilter(module: ModuleBuilder, spec: WinogradFilterSpec): WinogradFilter {
  const { matrices, steps, columns, filter } = spec;
  const adjoint = filter === "adjoint";
  const taps = matrices.taps ** 2;
  const outputs = columns.full * columns.width + columns.rest;
  const tapBytes = steps * outputs * FLOAT_BYTES;
  const transposedTapBytes = steps * packedStep(columns.width) + LINE_BYTES;

  const names = ["begin", "end", "w", "result", "scratch"] as const;
  const func = module.func(`winograd-filter ${JSON.stringify(spec)}`, names, (p, f) => {
    const { panel, source, target } = f.named("i32", ["panel", "source", "target"]);
    const doPanel = (width: number): Body => {
      if (!adjoint)
        return emitPanel(module, spec, width, { rowBytes: outputs * FLOAT_BYTES, tapBytes }).call(
          source,
          target,
        );
      const pack = emitPack(module, width, steps, { transposed: true, rowBytes: steps * FLOAT_BYTES });
      return [
        Array.from({ length: taps }, (_, tap) =>
          pack.call(
            i32.add(source, (taps - 1 - tap) * tapBytes),
            i32.add(p.scratch, tap * transposedTapBytes),
          ),
        ),
        emitPanel(module, spec, width, { rowBytes: packedStep(width), tapBytes: transposedTapBytes }).call(
          p.scratch,
          target,
        ),
      ];
    };
    const columnBytes = (adjoint ? steps : 1) * FLOAT_BYTES;
    return forRange(panel, p.begin, p.end, 1, [
      source.set(i32.add(p.w, i32.mul(panel, columns.width * columnBytes))),
      target.set(i32.add(p.result, i32.mul(panel, steps * packedStep(columns.width)))),
      columns.rest === 0
        ? doPanel(columns.width)
        : columns.full === 0
          ? doPanel(columns.rest)
          : when(i32.ltU(panel, columns.full), doPanel(columns.width), doPanel(columns.rest)),
    ]);
  });
  return {
    func,
    panels: columns.full + Math.sign(columns.rest),
    scratchBytes: adjoint ? taps * transposedTapBytes + SLACK_BYTES : 0,
  };
}

/** A function (source, target): transforms the columns of one panel of filters. */
function emitPanel(
  module: ModuleBuilder,
  { matrices, steps, planeBytes }: WinogradFilterSpec,
  width: number,
  source: { readonly rowBytes: number; readonly tapBytes: number },
): FunctionRef {
  const { filter: matrix, taps, size } = matrices;
  const key = `winograd-filter panel ${JSON.stringify({ matrix, steps, planeBytes, width, source })}`;
  return module.func(key, ["source", "target"], (p, f) => {
    const row = f.local("i32");
    const sandwiches = [1, 2].map((lanes) => sandwich(module, f, { matrix, width: lanes }));
    const vectors = packedStep(width) / VECTOR_BYTES;
    const transform = (first: number): Body => {
      const lanes = Math.min(2, vectors - first);
      return sandwiches[lanes - 1]!.body(
        (tapRow, tapColumn) =>
          Array.from({ length: lanes }, (_, i) =>
            v128.load(p.source, (tapRow * taps + tapColumn) * source.tapBytes + (first + i) * VECTOR_BYTES),
          ),
        (componentRow, componentColumn, values) => {
          const offset = (componentRow * size + componentColumn) * planeBytes;
          return values
            .map((value, i) => v128.store(p.target, value, offset + (first + i) * VECTOR_BYTES))
            .reverse();
        },
      );
    };
    return [
      sandwiches.map(({ prologue }) => prologue),
      forRange(row, 0, steps, 1, [
        Array.from({ length: Math.ceil(vectors / 2) }, (_, pair) => transform(2 * pair)),
        increase(p.source, source.rowBytes),
        increase(p.target, packedStep(width)),
      ]),
    ];
  });
}
