// The gradient of a Winograd convolution with regard to its filter: the adjoint of the forward algorithm. Components of
// x's patches times components of dy's tiles, summed over all tiles, are the gradient's components:
// dw = filter^T [sum over tiles of (input x input^T) * (output^T dy output)] filter.
//
// The tiles are cut into parts, and the components into rows, so that there is work for many slices. A part's sum is
// its own, and parts are added up in order: bits depend on the shapes alone.

import {
  forRange,
  increase,
  repeat,
  when,
  type FunctionRef,
  type ModuleBuilder,
} from "../../../wasm/emitter.ts";
import { f32x4, i32, memory, v128, type Body, type V128 } from "../../../wasm/instructions.ts";
import { balancedPieces } from "../../../wasm/pieces.ts";
import type { WasmRoutine } from "../kernel.ts";
import { FLOAT_BYTES, storeRow, VECTOR_BYTES, vectorsOf, type Vector } from "../../../wasm/lanes.ts";
import { columnsOf, forPanels } from "../products/panels.ts";
import { sandwich } from "./sandwich.ts";
import { emitTile, isWide, TILE_ROWS, TILE_SPILL_BYTES, type TileWidth } from "../products/tile.ts";
import type { TileGrid } from "./tile-grid.ts";
import { blockRowsOf, tilesOf, type ConvolvedAxis } from "./winograd.ts";
import { transposed, type WinogradMatrices } from "./winograd-matrices.ts";
import { emitGather, PAIR_BYTES, PAIR_FLOATS, planesOf, type Planes } from "./winograd-transform.ts";

export interface WinogradFilterGradientSpec {
  readonly matrices: WinogradMatrices;
  readonly batch: number;
  readonly vertical: ConvolvedAxis;
  readonly horizontal: ConvolvedAxis;
  readonly inputChannels: number;
  readonly outputChannels: number;
}

/** Tiles that are worked on at once: what a tile of the product reads of them fits the first-level cache. */
const BLOCK_TILES = 192;
/** Channels of x that lie together, so that a tile of the product reads neighbouring cache lines. */
const PANEL_CHANNELS = 4 * TILE_ROWS;
/** Work of a part, in multiply-adds: some milliseconds for each of its rows of components. */
const PART_MULTIPLY_ADDS = 5e8;
const MAXIMUM_PARTS = 8;
/** What all parts' sums may take. */
const MAXIMUM_SUMS_BYTES = 40 * 2 ** 20;

/** The routine's phases take: begin, end, x, dy, dw, shared, scratch. */
export function emitWinogradFilterGradient(
  module: ModuleBuilder,
  spec: WinogradFilterGradientSpec,
  tileWidth: TileWidth,
): WasmRoutine {
  const { matrices, batch, vertical, horizontal, inputChannels, outputChannels } = spec;
  const { size, step } = matrices;
  const tilesPerRow = tilesOf(horizontal, step);
  const gridRows = batch * tilesOf(vertical, step);
  const blockRows = blockRowsOf(tilesPerRow, BLOCK_TILES);
  const blockTiles = blockRows * tilesPerRow;
  const sums = planesOf(inputChannels, outputChannels);
  const sumBytes = size * size * sums.planeBytes;
  const multiplyAdds = gridRows * tilesPerRow * size * size * inputChannels * outputChannels;
  const wantedParts = Math.min(
    Math.ceil(multiplyAdds / PART_MULTIPLY_ADDS),
    MAXIMUM_PARTS,
    Math.max(1, Math.floor(MAXIMUM_SUMS_BYTES / sumBytes)),
  );
  const partRows = Math.ceil(gridRows / blockRows / wantedParts) * blockRows;
  const parts = Math.ceil(gridRows / partRows);

  const xPlanes = planesOf(blockTiles, inputChannels, PANEL_CHANNELS);
  const dyPlanes = planesOf(blockTiles, outputChannels, tileWidth);
  const patches = (axis: ConvolvedAxis) => tilesOf(axis, step);
  const xGrid: TileGrid = {
    vertical: { extent: vertical.input, before: vertical.before, patches: patches(vertical) },
    horizontal: { extent: horizontal.input, before: horizontal.before, patches: patches(horizontal) },
    channels: inputChannels,
    patch: size,
    step,
  };
  const dyGrid: TileGrid = {
    vertical: { extent: vertical.output, before: 0, patches: patches(vertical) },
    horizontal: { extent: horizontal.output, before: 0, patches: patches(horizontal) },
    channels: outputChannels,
    patch: step,
    step,
  };
  const multiply = emitProducts(
    module,
    { components: size, tilesPerRow, xPlanes, dyPlanes, sums, inputChannels, outputChannels },
    tileWidth,
  );
  const dyOffset = size * xPlanes.planeBytes;
  const spillOffset = dyOffset + size * dyPlanes.planeBytes;
  const names = ["begin", "end", "x", "dy", "dw", "shared", "scratch"] as const;
  const key = `winograd filter-gradient ${tileWidth} ${JSON.stringify(spec)}`;
  const accumulate = module.func(key, names, (p, f) => {
    const { unit, part, componentRow, row, rowEnd, blockEnd, dyAt, spill, sumsAt } = f.named("i32", [
      "unit",
      "part",
      "componentRow",
      "row",
      "rowEnd",
      "blockEnd",
      "dyAt",
      "spill",
      "sumsAt",
    ]);
    const gather = (wanted: number): Body => {
      const rows = [wanted];
      const gatherX = { grid: xGrid, matrix: matrices.input, rows, planes: xPlanes };
      const gatherDy = { grid: dyGrid, matrix: transposed(matrices.output), rows, planes: dyPlanes };
      return [
        emitGather(module, gatherX).call(row, blockEnd, p.x, 0, 0, p.scratch),
        emitGather(module, gatherDy).call(row, blockEnd, p.dy, 0, 0, dyAt),
      ];
    };
    const gatherRow = matrices.input.reduce<Body>(
      (otherwise, _, wanted) =>
        wanted === 0 ? gather(0) : when(i32.eq(componentRow, wanted), gather(wanted), otherwise),
      [],
    );
    const smaller = (a: typeof row, limit: typeof rowEnd | number) =>
      a.set(i32.select(i32.ltU(a, limit), a, limit));
    return [
      dyAt.set(i32.add(p.scratch, dyOffset)),
      spill.set(i32.add(p.scratch, spillOffset)),
      forRange(unit, p.begin, p.end, 1, [
        part.set(i32.divU(unit, size)),
        componentRow.set(i32.sub(unit, i32.mul(part, size))),
        sumsAt.set(i32.add(p.shared, i32.mul(unit, size * sums.planeBytes))),
        memory.fill(sumsAt, 0, size * sums.planeBytes),
        rowEnd.set(i32.mul(i32.add(part, 1), partRows)),
        smaller(rowEnd, gridRows),
        forRange(row, i32.mul(part, partRows), rowEnd, blockRows, [
          blockEnd.set(i32.add(row, blockRows)),
          smaller(blockEnd, rowEnd),
          gatherRow,
          multiply.call(i32.sub(blockEnd, row), p.scratch, dyAt, sumsAt, spill),
        ]),
      ]),
    ];
  });
  const finish = emitFinish(module, spec, sums, parts);
  return {
    phases: [
      { func: accumulate, extent: parts * size, grain: 1 },
      {
        func: module.func(`${key} finish`, names, (p) => finish.call(p.begin, p.end, p.dw, p.shared)),
        extent: inputChannels,
        grain: 1,
      },
    ],
    sharedBytes: parts * sumBytes,
    scratchBytes: spillOffset + TILE_SPILL_BYTES,
  };
}

interface ProductsSpec {
  readonly components: number;
  readonly tilesPerRow: number;
  readonly xPlanes: Planes;
  readonly dyPlanes: Planes;
  readonly sums: Planes;
  readonly inputChannels: number;
  readonly outputChannels: number;
}

/** A function (rows, x, dy, sums, spill): sums[C x N] += x^T dy over rows of tiles, for every component. */
function emitProducts(module: ModuleBuilder, spec: ProductsSpec, tileWidth: TileWidth): FunctionRef {
  const { components, tilesPerRow, xPlanes, dyPlanes, sums, inputChannels, outputChannels } = spec;
  const columns = columnsOf(outputChannels, tileWidth);
  const names = ["rows", "x", "dy", "sums", "spill"] as const;
  return module.func(`winograd x^T dy ${tileWidth} ${JSON.stringify(spec)}`, names, (p, f) => {
    const { component, panelOffset, panel, count } = f.named("i32", [
      "component",
      "panelOffset",
      "panel",
      "count",
    ]);
    const { a, at, c } = f.named("i32", ["a", "at", "c"]);
    /** A panel of x times one of dy. */
    const multiplyPanels = (height: number, width: number): Body =>
      balancedPieces(height, TILE_ROWS).map((piece) =>
        repeat(count, piece.count, [
          emitTile(module, {
            rows: piece.size,
            width,
            aRow: FLOAT_BYTES,
            aStep: xPlanes.pitch,
            bStep: dyPlanes.pitch,
            runLength: tilesPerRow,
            aRun: tilesPerRow * xPlanes.pitch,
            cRow: sums.pitch,
            paired: isWide(tileWidth),
            accumulate: true,
            bias: false,
            relu: false,
          }).call(a, at, c, 0, p.spill, p.rows),
          increase(a, piece.size * FLOAT_BYTES),
          increase(c, piece.size * sums.pitch),
        ]),
      );
    const { panelChannels, panelBytes } = xPlanes;
    const rest = inputChannels % panelChannels;
    return forRange(component, 0, components, 1, [
      at.set(p.dy),
      forPanels(columns, panelOffset, at, dyPlanes.panelBytes, (width) => [
        a.set(p.x),
        c.set(i32.add(p.sums, panelOffset)),
        repeat(panel, Math.floor(inputChannels / panelChannels), [
          multiplyPanels(panelChannels, width),
          increase(a, panelBytes - panelChannels * FLOAT_BYTES),
        ]),
        rest === 0 ? [] : multiplyPanels(rest, width),
      ]),
      increase(p.x, xPlanes.planeBytes),
      increase(p.dy, dyPlanes.planeBytes),
      increase(p.sums, sums.planeBytes),
    ]);
  });
}

/** A function (begin, end, dw, sums): rows [begin, end) of every tap, from the parts' sums. */
function emitFinish(
  module: ModuleBuilder,
  spec: WinogradFilterGradientSpec,
  sums: Planes,
  parts: number,
): FunctionRef {
  const { matrices, inputChannels, outputChannels } = spec;
  const { size, taps } = matrices;
  const rowBytes = outputChannels * FLOAT_BYTES;
  const passes = Math.floor(outputChannels / PAIR_FLOATS);
  const rest = outputChannels % PAIR_FLOATS;
  const key = `winograd filter-gradient finish ${parts} ${JSON.stringify(spec)}`;
  return module.func(key, ["begin", "end", "dw", "sums"], (p, f) => {
    const { row, pass } = f.named("i32", ["row", "pass"]);
    const { prologue, body } = sandwich(module, f, { matrix: transposed(matrices.filter), width: 2 });
    const ofParts = (offset: number): V128 =>
      Array.from({ length: parts }, (_, part) =>
        v128.load(p.sums, part * size * size * sums.planeBytes + offset),
      ).reduce<V128 | undefined>(
        (sum, term) => (sum === undefined ? term : f32x4.add(sum, term)),
        undefined,
      )!;
    const doPass = (vectors: readonly Vector[]): Body =>
      body(
        (componentRow, componentColumn) => {
          const offset = (componentRow * size + componentColumn) * sums.planeBytes;
          return [ofParts(offset), ofParts(offset + VECTOR_BYTES)];
        },
        (tapRow, tapColumn, values) =>
          storeRow(p.dw, vectors, values, (tapRow * taps + tapColumn) * inputChannels * rowBytes),
      );
    return [
      prologue,
      increase(p.dw, i32.mul(p.begin, rowBytes)),
      increase(p.sums, i32.mul(p.begin, sums.pitch)),
      forRange(row, p.begin, p.end, 1, [
        repeat(pass, passes, [
          doPass(vectorsOf(PAIR_FLOATS)),
          increase(p.dw, PAIR_BYTES),
          increase(p.sums, PAIR_BYTES),
        ]),
        rest === 0 ? [] : doPass(vectorsOf(rest)),
        increase(p.dw, rowBytes - passes * PAIR_BYTES),
        increase(p.sums, sums.pitch - passes * PAIR_BYTES),
      ]),
    ];
  });
}
