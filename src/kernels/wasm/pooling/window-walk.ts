// Walks the windows of a pool over NHWC images. Windows of one kind, with the same cells inside the image, have code of
// their own: no cell is tested, and every address is a pointer and a constant.

import type { PoolGeometry, PoolParams } from "../../ops/pooling.ts";
import type { WindowAxis } from "../../ops/window.ts";
import {
  increase,
  repeat,
  whileLoop,
  type FunctionBuilder,
  type FunctionRef,
  type Local,
  type ModuleBuilder,
} from "../../../wasm/emitter.ts";
import { i32, memory, type Body, type I32 } from "../../../wasm/instructions.ts";
import { FLOAT_BYTES, sweep, type Vector } from "../../../wasm/lanes.ts";
import { forwardReach, stretchesOf, type Stretch } from "../convolution/reach.ts";

/** Windows of up to this many cells are unrolled. */
const MAXIMUM_UNROLLED_CELLS = 16;

/** A cell of a window. */
export interface Cell {
  /** In each of the images: an address, and a constant to add to it. */
  readonly addresses: readonly Local<"i32">[];
  readonly offset: number;
  /** An earlier window has been there. */
  readonly seen: boolean;
  /** Known to be the window's first; a loop over cells does not know. */
  readonly first: boolean;
}

/** What a pool does with the vectors of one window; asked for each kind of windows and each width of vectors. */
export interface WindowContext {
  readonly locals: FunctionBuilder;
  readonly vectors: readonly Vector[];
  /** Addresses of the window's pixel in the pooled tensors, in their order. */
  readonly pixels: readonly Local<"i32">[];
  /** Cells that lie inside the image. */
  readonly cellCount: number;
  /** Runs `visit` for each of them in row-major order. */
  readonly forCells: (visit: (cell: Cell) => Body) => Body;
}

export interface WindowWalk {
  /** Unique for what `window` emits. */
  readonly key: string;
  readonly geometry: PoolGeometry;
  readonly params: PoolParams;
  /** Of each of the function's operands: of the image's shape, or of the pooled one. */
  readonly operands: readonly ("image" | "pooled")[];
  /** The last operand is an image of sums over windows: cells that no window has become 0. */
  readonly scatters: boolean;
  readonly window: (context: WindowContext) => Body;
}

/** Neighbouring windows of one kind along one axis. */
interface Kind extends Stretch {
  /** So many of a window's first cells belong to the window before it too. */
  readonly seen: number;
}

interface Axis {
  readonly extent: number;
  readonly window: number;
  readonly stride: number;
  readonly place: WindowAxis;
}

function kindsOf({ extent, window, stride, place }: Axis): readonly Kind[] {
  const { output, before } = place;
  const reach = forwardReach({ ...{ input: extent, output, before, window, stride }, dilation: 1 });
  const overlap = Math.max(0, window - stride);
  return stretchesOf(reach).flatMap((stretch): Kind[] => {
    const { count, tap, taps, cell } = stretch;
    const later = { ...stretch, seen: Math.min(taps, Math.max(0, overlap - tap)) };
    if (stretch.output > 0 || overlap === 0) return [later];
    const first = { ...stretch, count: 1, seen: 0 };
    return count === 1 ? [first] : [first, { ...later, output: 1, count: count - 1, cell: cell + stride }];
  });
}

/** Whether some cells lie in no window. */
function hasGaps({ extent, window, stride, place: { output, before } }: Axis): boolean {
  return (output > 1 && stride > window) || (output - 1) * stride - before + window < extent;
}

/** A function (begin, end, operands, scratch): images are the units. */
export function emitWindowWalk(module: ModuleBuilder, walk: WindowWalk): FunctionRef {
  const { key, geometry, params, operands, scatters } = walk;
  const { H, W, C, vertical, horizontal } = geometry;
  const { poolSize, strides } = params;
  const rowAxis: Axis = { extent: H, window: poolSize[0], stride: strides[0], place: vertical };
  const columnAxis: Axis = { extent: W, window: poolSize[1], stride: strides[1], place: horizontal };
  const cellBytes = C * FLOAT_BYTES;
  const rowBytes = W * cellBytes;
  const pooledRowBytes = horizontal.output * cellBytes;
  const sampleBytes = { image: H * rowBytes, pooled: vertical.output * pooledRowBytes };
  const names = operands.map((kind, i) => `${kind}${i}`);
  const fullKey = `${key} walk ${JSON.stringify([geometry, params])}`;
  return module.func(fullKey, ["begin", "end", ...names, "scratch"], (p, f) => {
    const { samples, row } = f.named("i32", ["samples", "row"]);
    const pointers = names.map((name) => p[name]!);
    const advance = (image: number, pooled: number): Body =>
      pointers.map((pointer, i) => increase(pointer, operands[i] === "image" ? image : pooled));
    const at = (image: number, pooled: number): readonly I32[] =>
      pointers.map((pointer, i) => i32.add(pointer, operands[i] === "image" ? image : pooled));
    const rowsOf = (rows: Kind): Body => {
      const image = rows.cell * rowBytes;
      const step = rowAxis.stride * rowBytes;
      return [
        advance(image, 0),
        repeat(row, rows.count, [
          kindsOf(columnAxis).map((columns) =>
            emitWindows(module, walk, [rows, columns]).call(
              ...at(columns.cell * cellBytes, columns.output * cellBytes),
              columns.count,
            ),
          ),
          advance(step, pooledRowBytes),
        ]),
        advance(-image - rows.count * step, 0),
      ];
    };
    return [
      pointers.map((pointer, i) => increase(pointer, i32.mul(p["begin"]!, sampleBytes[operands[i]!]))),
      samples.set(i32.sub(p["end"]!, p["begin"]!)),
      whileLoop(samples, [
        scatters && (hasGaps(rowAxis) || hasGaps(columnAxis))
          ? memory.fill(pointers.at(-1)!, 0, sampleBytes.image)
          : [],
        kindsOf(rowAxis).map(rowsOf),
        advance(sampleBytes.image, 0),
        increase(samples, -1),
      ]),
    ];
  });
}

/** A function (operands, count): `count` windows of one kind side by side. */
function emitWindows(module: ModuleBuilder, walk: WindowWalk, kind: readonly [Kind, Kind]): FunctionRef {
  const { key, geometry, params, operands, window } = walk;
  const { W, C } = geometry;
  const [rows, columns] = kind;
  const cellBytes = C * FLOAT_BYTES;
  const rowBytes = W * cellBytes;
  const stepBytes = (params.strides[1] - 1) * cellBytes;
  const cellCount = rows.taps * columns.taps;
  /** Rows of cells, and in a row runs of cells, that are alike. */
  const runsOf = (seenCells: number) => [
    { cells: seenCells, seen: true },
    { cells: columns.taps - seenCells, seen: false },
  ];
  const groups = [
    { rows: rows.seen, runs: runsOf(columns.taps) },
    { rows: rows.taps - rows.seen, runs: runsOf(columns.seen) },
  ];
  const names = operands.map((operand, i) => `${operand}${i}`);
  const shape = [W, C, params.strides[1], rows.taps, rows.seen, columns.taps, columns.seen];
  return module.func(`${key} windows ${shape.join()}`, [...names, "count"], (p, f) => {
    const ofKind = (operand: "image" | "pooled") =>
      names.filter((_, i) => operands[i] === operand).map((name) => p[name]!);
    const images = ofKind("image");
    const pixels = ofKind("pooled");
    const walkers = f.locals("i32", images.length);
    const { pass, row, cell } = f.named("i32", ["pass", "row", "cell"]);

    const unrolled = (visit: (cell: Cell) => Body): Body =>
      Array.from({ length: cellCount }, (_, i) => {
        const [y, x] = [Math.floor(i / columns.taps), i % columns.taps];
        const seen = y < rows.seen || x < columns.seen;
        return visit({ addresses: images, offset: y * rowBytes + x * cellBytes, seen, first: i === 0 });
      });
    const looped = (visit: (cell: Cell) => Body): Body => [
      walkers.map((walker, i) => walker.set(images[i]!)),
      groups.map((group) =>
        repeat(row, group.rows, [
          group.runs.map(({ cells, seen }) =>
            repeat(cell, cells, [
              visit({ addresses: walkers, offset: 0, seen, first: false }),
              walkers.map((walker) => increase(walker, cellBytes)),
            ]),
          ),
          walkers.map((walker) => increase(walker, rowBytes - columns.taps * cellBytes)),
        ]),
      ),
    ];
    const forCells = cellCount <= MAXIMUM_UNROLLED_CELLS ? unrolled : looped;
    return whileLoop(p["count"]!, [
      sweep(C, pass, [...images, ...pixels], (vectors) =>
        window({ locals: f, vectors, pixels, cellCount, forCells }),
      ),
      images.map((image) => increase(image, stepBytes)),
      increase(p["count"]!, -1),
    ]);
  });
}
