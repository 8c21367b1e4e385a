// The filter of a direct convolution as the tiles read it: panels of columns, one after the other the taps of each
// part of the outputs, in the order of their summation. Packed once per call, in a phase of its own.

import type { ConvolutionSpec } from "./convolution.ts";
import { forRange, when, type Local, type ModuleBuilder } from "../../../wasm/emitter.ts";
import { i32, type Body, type I32 } from "../../../wasm/instructions.ts";
import type { Phase } from "../kernel.ts";
import { FLOAT_BYTES } from "../../../wasm/lanes.ts";
import { emitPack } from "../products/pack.ts";
import { columnsOf, packedBytes, packedStep, type Columns } from "../products/panels.ts";
import type { Reach } from "./reach.ts";
import type { TileWidth } from "../products/tile.ts";

type Parameters = Readonly<Record<string, Local<"i32">>>;

export interface FilterPanels {
  readonly columns: Columns;
  /** The phase that packs; none where the filter is read in place. */
  readonly phases: readonly Phase[];
  readonly sharedBytes: number;
  /** Parameters of all the routine's phases. */
  readonly parameters: readonly string[];
  /** Outputs that meet the same taps; `offset` in steps from the panel's start. */
  readonly parts: readonly { readonly reaches: readonly [Reach, Reach]; readonly offset: number }[];
  /** Of a full panel, from one to the next. */
  readonly panelBytes: number;
  /** Bytes of a step of the reduction within a panel. */
  step(width: number): number;
  /** The first panel's address. */
  first(parameters: Parameters): I32;
}

export function packFilter(module: ModuleBuilder, spec: ConvolutionSpec, tileWidth: TileWidth): FilterPanels {
  const { source, output, vertical, horizontal, window, adjoint, third } = spec;
  const columns = columnsOf(output.channels, tileWidth);
  const packed = adjoint || output.channels > tileWidth;
  const { channels } = source;
  let steps = 0;
  const parts = vertical.flatMap((rows) =>
    horizontal.map((cells) => {
      const offset = steps;
      steps += rows.taps.length * cells.taps.length * channels;
      return { reaches: [rows, cells] as const, offset };
    }),
  );
  const parameters = [
    ...["begin", "end", "x", "w"],
    ...(third === undefined ? [] : ["third"]),
    ...["y", ...(packed ? ["shared"] : []), "scratch"],
  ];
  const shape = { columns, parameters, parts };
  if (!packed) {
    const step = () => output.channels * FLOAT_BYTES;
    return { ...shape, phases: [], sharedBytes: 0, panelBytes: 0, step, first: (p) => p.w! };
  }

  const tapBytes = channels * output.channels * FLOAT_BYTES;
  const columnBytes = (adjoint ? channels : 1) * FLOAT_BYTES;
  const rowBytes = (adjoint ? channels : output.channels) * FLOAT_BYTES;
  const panelBytes = steps * packedStep(tileWidth);
  const key = `filter panels ${tileWidth} ${JSON.stringify({ ...spec, batch: 1 })}`;
  const func = module.func(key, parameters, (p, f) => {
    const { panel, from, to } = f.named("i32", ["panel", "from", "to"]);
    const packPanel = (width: number): Body => {
      const pack = emitPack(module, width, channels, { transposed: adjoint, rowBytes });
      return parts.map(({ reaches: [rows, cells], offset }) =>
        rows.taps.flatMap((row, i) =>
          cells.taps.map((cell, j) =>
            pack.call(
              i32.add(from, (row * window[1] + cell) * tapBytes),
              i32.add(to, (offset + (i * cells.taps.length + j) * channels) * packedStep(width)),
            ),
          ),
        ),
      );
    };
    return forRange(panel, p.begin!, p.end!, 1, [
      from.set(i32.add(p.w!, i32.mul(panel, tileWidth * columnBytes))),
      to.set(i32.add(p.shared!, i32.mul(panel, panelBytes))),
      columns.full === 0
        ? packPanel(columns.rest)
        : columns.rest === 0
          ? packPanel(tileWidth)
          : when(i32.ltU(panel, columns.full), packPanel(tileWidth), packPanel(columns.rest)),
    ]);
  });
  const extent = columns.full + Math.sign(columns.rest);
  return {
    ...shape,
    phases: [{ func, extent, grain: 1 }],
    sharedBytes: packedBytes(columns, Math.max(steps, 1)),
    panelBytes,
    step: packedStep,
    first: (p) => p.shared!,
  };
}
