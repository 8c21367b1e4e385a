// The filters of a Winograd convolution, transformed and packed: for every component a matrix of panels, as the
// micro-kernel reads them.

import { forRange, increase, when, type FunctionRef, type ModuleBuilder } from "./emitter.ts";
import { i32, v128, type Body } from "./instructions.ts";
import { FLOAT_BYTES, VECTOR_BYTES, vectorsOf } from "./lanes.ts";
import { emitPack } from "./pack.ts";
import { packedStep, widthsOf, type Columns } from "./panels.ts";
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
  const { matrices, steps, columns, filter, planeBytes } = spec;
  const { size, taps } = matrices;
  const adjoint = filter === "adjoint";
  const widths = widthsOf(columns);
  const outputs = columns.full * columns.width + columns.rest;
  const panels = widths.length === 0 ? 0 : columns.full + (columns.rest > 0 ? 1 : 0);
  const panelBytes = steps * packedStep(columns.width);
  const filterRowBytes = (adjoint ? steps : outputs) * FLOAT_BYTES;
  const tapBytes = steps * outputs * FLOAT_BYTES;
  /** Adjoint filters are transformed as they lie, then transposed into the panel. */
  const plainRowBytes = packedStep(steps);
  const plainPlaneBytes = columns.width * plainRowBytes;

  /** (source, target): `count` rows of the filter, each `floats` long. */
  const transform = (count: number, floats: number, targetRowBytes: number, targetPlaneBytes: number) =>
    module.func(
      `winograd-filter rows ${count} ${floats} ${targetRowBytes} ${targetPlaneBytes} ${JSON.stringify(spec)}`,
      ["source", "target"],
      (p, f) => {
        const { row, from, to, end } = f.named("i32", ["row", "from", "to", "end"]);
        const pair = sandwich(f, { matrix: matrices.filter, width: 2 });
        const single = sandwich(f, { matrix: matrices.filter, width: 1 });
        const run = ({ body }: typeof pair, width: number): Body =>
          body(
            (tapRow, tapColumn) => {
              const tap = tapRow * taps + tapColumn;
              const offset = (adjoint ? taps * taps - 1 - tap : tap) * tapBytes;
              return Array.from({ length: width }, (_, i) => v128.load(from, offset + i * VECTOR_BYTES));
            },
            (componentRow, componentColumn, values) => {
              const offset = (componentRow * size + componentColumn) * targetPlaneBytes;
              return values.map((value, i) => v128.store(to, value, offset + i * VECTOR_BYTES)).reverse();
            },
          );
        const vectors = vectorsOf(floats).length;
        const pairs = Math.floor(vectors / 2);
        return [
          pair.prologue,
          single.prologue,
          forRange(row, 0, count, 1, [
            from.set(p.source),
            to.set(p.target),
            end.set(i32.add(p.source, pairs * 2 * VECTOR_BYTES)),
            pairs === 0
              ? []
              : forRange(from, p.source, end, 2 * VECTOR_BYTES, [
                  run(pair, 2),
                  increase(to, 2 * VECTOR_BYTES),
                ]),
            vectors % 2 === 0 ? [] : run(single, 1),
            increase(p.source, filterRowBytes),
            increase(p.target, targetRowBytes),
          ]),
        ];
      },
    );

  const names = ["begin", "end", "w", "result", "scratch"] as const;
  const func = module.func(`winograd-filter ${JSON.stringify(spec)}`, names, (p, f) => {
    const { panel, source, target, component, plain } = f.named("i32", [
      "panel",
      "source",
      "target",
      "component",
      "plain",
    ]);
    const doPanel = (width: number): Body => {
      if (!adjoint) return transform(steps, width, packedStep(width), planeBytes).call(source, target);
      const pack = emitPack(module, width, steps, { transposed: true, rowBytes: plainRowBytes });
      return [
        transform(width, steps, plainRowBytes, plainPlaneBytes).call(source, p.scratch),
        plain.set(p.scratch),
        forRange(component, 0, size * size, 1, [
          pack.call(plain, target),
          increase(plain, plainPlaneBytes),
          increase(target, planeBytes),
        ]),
      ];
    };
    return forRange(panel, p.begin, p.end, 1, [
      source.set(i32.add(p.w, i32.mul(panel, columns.width * (adjoint ? filterRowBytes : FLOAT_BYTES)))),
      target.set(i32.add(p.result, i32.mul(panel, panelBytes))),
      columns.rest === 0
        ? doPanel(columns.width)
        : columns.full === 0
          ? doPanel(columns.rest)
          : when(i32.ltU(panel, columns.full), doPanel(columns.width), doPanel(columns.rest)),
    ]);
  });
  return { func, panels, scratchBytes: adjoint ? size * size * plainPlaneBytes : 0 };
}
