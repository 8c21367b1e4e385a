// Depthwise convolution, its adjoint, and the gradient of its filter over NHWC images: a walk over the tiles of an
// image, the same for all three. No copy of an image: which taps fall off it is known when code is written.

import {
  DEPTHWISE_PIXELS,
  emitFilterTile,
  emitOutputTile,
  type DepthwiseTileSpec,
  type FilterLine,
} from "./depthwise-tile.ts";
import type { Image } from "../convolution/convolution.ts";
import { forRange, increase, repeat, type FunctionRef, type ModuleBuilder } from "../../../wasm/emitter.ts";
import { cacheLinesOf, emitFetch, FETCH_MINIMUM_BYTES } from "../../../wasm/fetch.ts";
import { i32, type Body, type I32 } from "../../../wasm/instructions.ts";
import type { WasmRoutine } from "../kernel.ts";
import { FLOAT_BYTES } from "../../../wasm/lanes.ts";
import { clearPhase, combinePhases, sharedBytesOf, type PartialSums } from "../emit/partial-sums.ts";
import { pixelTiles } from "../convolution/pixel-tiles.ts";
import { stretchesOf, type Reach, type Stretch } from "../convolution/reach.ts";

export interface DepthwiseSpec extends Pick<
  DepthwiseTileSpec,
  "multiplier" | "adjoint" | "third" | "relu" | "paired"
> {
  readonly batch: number;
  readonly source: Image;
  readonly output: Image;
  /** Every output is in one of each. */
  readonly vertical: readonly Reach[];
  readonly horizontal: readonly Reach[];
  /** The filter's [height, width]. */
  readonly window: readonly [number, number];
}

/** At most so many groups of images sum the filter's gradient apart from each other, on as many threads. */
const MAXIMUM_GROUPS = 8;

/** Units are images. */
export function emitDepthwise(module: ModuleBuilder, spec: DepthwiseSpec): WasmRoutine {
  const { batch, source, output, third } = spec;
  const names = ["begin", "end", "source", "filter", ...(third ? ["third"] : []), "output", "scratch"];
  const image = emitImage(module, spec, emitOutputTile);
  const func = module.func(`depthwise ${JSON.stringify(spec)}`, names, (p, f) => {
    const index = f.local("i32");
    const at = (place: string, extents: Image) => i32.add(p[place]!, i32.mul(index, imageBytes(extents)));
    const mask = third === "mask" ? at("third", output) : (p.third ?? 0);
    return forRange(
      index,
      p.begin!,
      p.end!,
      1,
      image.call(at("source", source), p.filter!, mask, at("output", output)),
    );
  });
  return { phases: [{ func, extent: batch, grain: 1 }], sharedBytes: 0, scratchBytes: 0 };
}

/** Units are groups of images. `output` is dy's shape, whose images have the filter's channels. */
export function emitDepthwiseFilterGradient(module: ModuleBuilder, spec: DepthwiseSpec): WasmRoutine {
  const { batch, source, output, window } = spec;
  const groups = Math.min(batch, MAXIMUM_GROUPS);
  const elements = window[0] * window[1] * output.channels;
  const sums: PartialSums = {
    elements,
    parts: groups,
    names: ["begin", "end", "x", "dy", "dw", ...(groups > 1 ? ["shared"] : []), "scratch"],
    output: "dw",
  };
  const image = emitImage(module, spec, emitFilterTile);
  const func = module.func(`depthwise filter ${JSON.stringify(spec)}`, sums.names, (p, f) => {
    const { group, index, part } = f.named("i32", ["group", "index", "part"]);
    const firstImage = (of: number | typeof group) => i32.divU(i32.mul(of, batch), groups);
    const ofGroup = i32.add(p.shared ?? 0, i32.mul(i32.sub(group, 1), elements * FLOAT_BYTES));
    const at = (place: string, extents: Image) => i32.add(p[place]!, i32.mul(index, imageBytes(extents)));
    return forRange(group, p.begin!, p.end!, 1, [
      part.set(groups === 1 ? p.dw! : i32.select(group, ofGroup, p.dw!)),
      forRange(
        index,
        firstImage(group),
        i32.divU(i32.mul(i32.add(group, 1), batch), groups),
        1,
        image.call(at("x", source), part, 0, at("dy", output)),
      ),
    ]);
  });
  return {
    phases: [clearPhase(module, sums), { func, extent: groups, grain: 1 }, ...combinePhases(module, sums)],
    sharedBytes: sharedBytesOf(sums),
    scratchBytes: 0,
  };
}

function imageBytes({ height, width, channels }: Image): number {
  return height * width * channels * FLOAT_BYTES;
}

/** A function (source, filter, third, output): the tiles of one image, row by row. */
function emitImage(module: ModuleBuilder, spec: DepthwiseSpec, emitTile: typeof emitOutputTile): FunctionRef {
  const { batch, source, output, third, multiplier, adjoint, relu, paired, vertical, horizontal } = spec;
  const cellBytes = source.channels * FLOAT_BYTES;
  const rowBytes = source.width * cellBytes;
  const outputCellBytes = output.channels * FLOAT_BYTES;
  const outputRowBytes = output.width * outputCellBytes;
  const channels = Math.min(source.channels, output.channels);
  // What the filters of a channel make is summed last, and takes as many vectors a pixel.
  const maximumPixels = adjoint && multiplier > 1 ? 1 : DEPTHWISE_PIXELS;

  /** The rows of the filter that a stretch of outputs meets. */
  const linesOf = (rows: Reach, { tap, taps }: Stretch, cells: Reach): readonly FilterLine[] =>
    rows.taps.slice(tap, tap + taps).map((row, line) => ({
      source: line * rows.spacing * rowBytes,
      taps: cells.taps.map((cell) => (row * spec.window[1] + cell) * channels * multiplier * FLOAT_BYTES),
    }));

  const fetch = (address: I32, bytes: number) =>
    emitFetch(module, { rows: 1, rowBytes: 0 }).call(address, cacheLinesOf(bytes));
  const isLarge = (image: Image) => batch * imageBytes(image) > FETCH_MINIMUM_BYTES;
  /** The rows of the source that a row of outputs is the first to meet, and of what else is read. */
  const fetchRows = (rows: Reach, { taps }: Stretch, from: I32, to: I32): Body => {
    const newRows = Math.min(rows.stride, taps);
    const offset = Math.max(0, (taps - 1) * rows.spacing + 1 - newRows) * rowBytes;
    return [
      isLarge(source) ? fetch(i32.add(from, offset), newRows * rowBytes) : [],
      isLarge(output) && emitTile === emitFilterTile ? fetch(to, outputRowBytes) : [],
    ];
  };

  const places = ["source", "filter", "third", "output"] as const;
  const key = `depthwise image ${emitTile.name} ${JSON.stringify(spec)}`;
  return module.func(key, places, (p, f) => {
    const { row, from, to, mask } = f.named("i32", ["row", "from", "to", "mask"]);
    return vertical.map((rows) =>
      stretchesOf(rows).map((stretch) => {
        const firstRow = (rows.outputFirst + stretch.output * rows.outputStep) * outputRowBytes;
        return [
          from.set(i32.add(p.source, stretch.taps === 0 ? 0 : stretch.cell * rowBytes)),
          to.set(i32.add(p.output, firstRow)),
          mask.set(third === "mask" ? i32.add(p.third, firstRow) : p.third),
          repeat(row, stretch.count, [
            fetchRows(rows, stretch, from, to),
            horizontal.map((cells) =>
              pixelTiles(cells, maximumPixels).map(({ count, pixels, products, ...first }) => {
                const tile = emitTile(module, {
                  ...{ channels, multiplier, adjoint, third, relu, paired, pixels, products, cellBytes },
                  lines: linesOf(rows, stretch, cells),
                  pixelBytes: cells.outputStep * outputCellBytes,
                  sourceBytes: pixels * cells.stride * cellBytes,
                  outputBytes: pixels * cells.outputStep * outputCellBytes,
                });
                const offset = (cells.outputFirst + first.output * cells.outputStep) * outputCellBytes;
                return tile.call(
                  i32.add(from, first.cell * cellBytes),
                  p.filter,
                  third === "mask" ? i32.add(mask, offset) : mask,
                  i32.add(to, offset),
                  count,
                );
              }),
            ),
            increase(from, rows.stride * rowBytes),
            increase(to, rows.outputStep * outputRowBytes),
            third === "mask" ? increase(mask, rows.outputStep * outputRowBytes) : [],
          ]),
        ];
      }),
    );
  });
}
