// Winograd convolution: Lavin and Gray, CVPR 2016. A first phase transforms the filters; then blocks of tiles, few
// enough for the second-level cache, are transformed, multiplied component by component, and transformed back.
//
// Every sum over channels is one chain of multiply-adds, so bits do not depend on how tiles are blocked or sliced.

import { forRange, increase, type FunctionRef, type ModuleBuilder } from "../../../wasm/emitter.ts";
import { i32, type Body } from "../../../wasm/instructions.ts";
import { SLACK_BYTES, type WasmRoutine } from "../kernel.ts";
import { FLOAT_BYTES } from "../../../wasm/lanes.ts";
import { columnsOf, forPanels, packedBytes, packedStep } from "../products/panels.ts";
import { emitTile, isWide, TILE_ROWS, TILE_SPILL_BYTES, type TileWidth } from "../products/tile.ts";
import type { GridAxis, TileGrid } from "./tile-grid.ts";
import { emitWinogradFilter } from "./winograd-filter.ts";
import type { WinogradMatrices } from "./winograd-matrices.ts";
import { emitGather, emitScatter, LINE_BYTES, planesOf, type Planes } from "./winograd-transform.ts";

/** A convolution of stride 1 along one axis, in cells. */
export interface ConvolvedAxis {
  readonly input: number;
  /** Zeros ahead of the input. */
  readonly before: number;
  readonly output: number;
}

export function tilesOf({ output }: Pick<ConvolvedAxis, "output">, step: number): number {
  return Math.ceil(output / step);
}

export interface WinogradSpec {
  readonly matrices: WinogradMatrices;
  readonly batch: number;
  readonly vertical: ConvolvedAxis;
  readonly horizontal: ConvolvedAxis;
  readonly inputChannels: number;
  readonly outputChannels: number;
  /** As in WinogradFilterSpec. */
  readonly filter: "forward" | "adjoint";
  readonly bias: boolean;
  readonly relu: boolean;
  /** Zero where the mask, of the output's shape, is not above zero. */
  readonly mask: boolean;
}

/** Tiles that are worked on at once: rows enough to pay for reading the filters. */
const BLOCK_TILES = 96;

/** Rows of tiles in a block: of about BLOCK_TILES tiles, with as little as possible lost to the last rows of c. */
export function blockRowsOf(tilesPerRow: number, blockTiles: number): number {
  const most = Math.max(1, Math.floor(blockTiles / tilesPerRow));
  let best = most;
  const share = (rows: number) => (rows * tilesPerRow) / paddedRows(rows * tilesPerRow);
  for (let rows = most; rows > most / 2; rows--) if (share(rows) > share(best)) best = rows;
  return best;
}

function paddedRows(rows: number): number {
  return Math.ceil(rows / TILE_ROWS) * TILE_ROWS;
}

/** Parameters of the routine's phases: begin, end, images, w, bias, mask, output, shared, scratch. */
export const WINOGRAD_PARAMETERS = [
  "begin",
  "end",
  "images",
  "w",
  "bias",
  "mask",
  "output",
  "shared",
  "scratch",
] as const;

export function emitWinograd(module: ModuleBuilder, spec: WinogradSpec, tileWidth: TileWidth): WasmRoutine {
  const { matrices, vertical, horizontal, inputChannels, outputChannels } = spec;
  const { size, step } = matrices;
  const columns = columnsOf(outputChannels, tileWidth);
  const filterPlaneBytes = packedBytes(columns, inputChannels) + LINE_BYTES;
  const sharedBytes = size * size * filterPlaneBytes + SLACK_BYTES;
  const filter = emitWinogradFilter(module, {
    matrices,
    columns,
    filter: spec.filter,
    steps: inputChannels,
    planeBytes: filterPlaneBytes,
  });

  const tilesPerRow = tilesOf(horizontal, step);
  const blockRows = blockRowsOf(tilesPerRow, BLOCK_TILES);
  const blockTiles = paddedRows(blockRows * tilesPerRow);
  const inputs = planesOf(blockTiles, inputChannels);
  const products = planesOf(blockTiles, outputChannels);
  const inputAxis = (axis: ConvolvedAxis): GridAxis => ({
    extent: axis.input,
    before: axis.before,
    patches: tilesOf(axis, step),
  });
  const outputAxis = (axis: ConvolvedAxis): GridAxis => ({
    extent: axis.output,
    before: 0,
    patches: tilesOf(axis, step),
  });
  const inputGrid: TileGrid = {
    vertical: inputAxis(vertical),
    horizontal: inputAxis(horizontal),
    channels: inputChannels,
    patch: size,
    step,
  };
  const outputGrid: TileGrid = {
    vertical: outputAxis(vertical),
    horizontal: outputAxis(horizontal),
    channels: outputChannels,
    patch: step,
    step,
  };
  const gather = emitGather(module, {
    grid: inputGrid,
    matrix: matrices.input,
    rows: matrices.input.map((_, row) => row),
    planes: inputs,
  });
  const scatter = emitScatter(module, {
    grid: outputGrid,
    matrix: matrices.output,
    planes: products,
    bias: spec.bias,
    relu: spec.relu,
    mask: spec.mask,
  });
  const multiply = emitProducts(
    module,
    { components: size * size, inputs, products, inputChannels, outputChannels },
    tileWidth,
  );

  const key = `winograd ${tileWidth} ${JSON.stringify(spec)}`;
  const transformFilter = module.func(`${key} filter`, WINOGRAD_PARAMETERS, (p) =>
    filter.func.call(p.begin, p.end, p.w, p.shared, p.scratch),
  );
  const productsOffset = size * size * inputs.planeBytes;
  const spillOffset = productsOffset + size * size * products.planeBytes;
  const convolve = module.func(key, WINOGRAD_PARAMETERS, (p, f) => {
    const { row, rowEnd, tiles, made, spill } = f.named("i32", ["row", "rowEnd", "tiles", "made", "spill"]);
    return [
      made.set(i32.add(p.scratch, productsOffset)),
      spill.set(i32.add(p.scratch, spillOffset)),
      forRange(row, p.begin, p.end, blockRows, [
        rowEnd.set(i32.add(row, blockRows)),
        rowEnd.set(i32.select(i32.ltU(rowEnd, p.end), rowEnd, p.end)),
        gather.call(row, rowEnd, p.images, 0, 0, p.scratch),
        tiles.set(i32.mul(i32.sub(rowEnd, row), tilesPerRow)),
        multiply.call(tiles, p.scratch, p.shared, made, spill),
        scatter.call(row, rowEnd, p.output, p.mask, p.bias, made),
      ]),
    ];
  });
  return {
    phases: [
      { func: transformFilter, extent: filter.panels, grain: 1 },
      { func: convolve, extent: spec.batch * tilesOf(vertical, step), grain: blockRows },
    ],
    sharedBytes,
    scratchBytes: Math.max(filter.scratchBytes, spillOffset + TILE_SPILL_BYTES),
  };
}

interface ProductsSpec {
  readonly components: number;
  readonly inputs: Planes;
  readonly products: Planes;
  readonly inputChannels: number;
  readonly outputChannels: number;
}

/**
 * A function (rows, inputs, filters, products, spill): the product [rows x outputChannels] of every component. Rows
 * are made up to a multiple of TILE_ROWS with whatever is there.
 */
function emitProducts(module: ModuleBuilder, spec: ProductsSpec, tileWidth: TileWidth): FunctionRef {
  const { components, inputs, products, inputChannels, outputChannels } = spec;
  const columns = columnsOf(outputChannels, tileWidth);
  const panelBytes = inputChannels * packedStep(tileWidth);
  const names = ["rows", "inputs", "filters", "products", "spill"] as const;
  return module.func(`winograd products ${tileWidth} ${JSON.stringify(spec)}`, names, (p, f) => {
    const { component, panelOffset, row, a, c } = f.named("i32", [
      "component",
      "panelOffset",
      "row",
      "a",
      "c",
    ]);
    const multiplyPanel = (width: number): Body => {
      const tile = emitTile(module, {
        rows: TILE_ROWS,
        width,
        aRow: inputs.pitch,
        aStep: FLOAT_BYTES,
        bStep: packedStep(width),
        runLength: inputChannels,
        aRun: 0,
        cRow: products.pitch,
        paired: isWide(tileWidth),
        accumulate: false,
        bias: false,
        relu: false,
      });
      return [
        a.set(p.inputs),
        c.set(i32.add(p.products, panelOffset)),
        forRange(row, 0, p.rows, TILE_ROWS, [
          tile.call(a, p.filters, c, 0, p.spill, 1),
          increase(a, TILE_ROWS * inputs.pitch),
          increase(c, TILE_ROWS * products.pitch),
        ]),
      ];
    };
    return forRange(component, 0, components, 1, [
      forPanels(columns, panelOffset, p.filters, panelBytes, multiplyPanel),
      increase(p.filters, inputChannels * packedStep(columns.rest) + LINE_BYTES),
      increase(p.inputs, inputs.planeBytes),
      increase(p.products, products.planeBytes),
    ]);
  });
}
