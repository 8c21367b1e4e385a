// The micro-kernels of depthwise convolution: a few neighbouring pixels of one row, all channels, which are the lanes.
// One sums outputs, the other adds a tile's share to the filter's gradient. Both read memory in its order and keep
// the sums of a vector or two of channels in registers; every x that is loaded meets all pixels and taps that need it.
//
// An output is one chain of multiply-adds over its taps in their order, begun at zero.

import {
  increase,
  repeat,
  whileLoop,
  type FunctionBuilder,
  type FunctionRef,
  type Local,
  type ModuleBuilder,
} from "../../../wasm/emitter.ts";
import { f32x4, shuffle32, v128, type Body, type V128 } from "../../../wasm/instructions.ts";
import {
  FLOAT_BYTES,
  multiplyAdd,
  storeRow,
  VECTOR_FLOATS,
  vectorsOf,
  type Vector,
} from "../../../wasm/lanes.ts";
import type { PixelTiles } from "../convolution/pixel-tiles.ts";

/**
 * Pixels of a tile: every load serves two or three multiply-adds, and sums, a row of three taps and x fit 16 registers.
 * The filter's gradient is summed tile by tile: its bits depend on this.
 */
export const DEPTHWISE_PIXELS = 6;

/** One row of the filter, and the row of the source that it meets. */
export interface FilterLine {
  /** Bytes from the tile's address in the source. */
  readonly source: number;
  /** By horizontal tap: bytes from the filter's first element. */
  readonly taps: readonly number[];
}

/** Three tensors: of the source and the output one has `channels`, and the other, like the filter, `multiplier` times as many. */
export interface DepthwiseTileSpec extends Pick<PixelTiles, "pixels" | "products"> {
  readonly channels: number;
  readonly multiplier: number;
  /** The source has the more channels, and an output is the sum of what the filters of its channel make. */
  readonly adjoint: boolean;
  readonly lines: readonly FilterLine[];
  /** Bytes from cell to cell of the source, and from pixel to pixel of the output. */
  readonly cellBytes: number;
  readonly pixelBytes: number;
  /** From tile to tile. */
  readonly sourceBytes: number;
  readonly outputBytes: number;
  /** Added to every pixel, or lying as the output does and zeroing it where it is not above 0. */
  readonly third: "bias" | "mask" | undefined;
  readonly relu: boolean;
  /** The machine works on pairs of vectors (see WasmTarget.wide). */
  readonly paired: boolean;
}

type Place = "source" | "filter" | "third" | "output";
type Places = Readonly<Record<Place, Local<"i32">>>;

/** A vector of the more channels, and the vector of the source that it is multiplied with. */
interface Lanes {
  readonly many: Vector;
  readonly source: (address: Local<"i32">, offset: number) => V128;
}

/** Emits the work of one block of channels: what is done for each group of `lanes` at once. */
type EmitBlock = (channels: number, at: Places) => Body;

/**
 * A function (source, filter, third, output, tiles): the addresses of the first tile and the number of tiles. It
 * writes the output, all of whose pixels it sums.
 */
export function emitOutputTile(module: ModuleBuilder, spec: DepthwiseTileSpec): FunctionRef {
  const { products, lines, adjoint, multiplier, pixels, pixelBytes, third, relu } = spec;
  return emitChannelBlocks(module, "depthwise output", spec, (f) => {
    const pool = vectorPool(f);
    return (channels, at) =>
      groupsOf(spec, channels).map((group) => {
        const sums = Array.from({ length: pixels }, (_, pixel) => pool("sum", group.length, pixel));
        const factors = tapsOf(spec).map((tap) => pool("factor", group.length, tap));
        const x = pool("x", group.length, 0);
        const folded = adjoint && multiplier > 1;
        const stored = folded ? vectorsOf(channels) : group.map(({ many }) => many);
        const finish = (values: readonly Local<"v128">[], pixel: number): Body => {
          const all = stored.map((vector, v) => ({ ...vector, value: values[v]! }));
          return [
            folded ? values[0]!.set(foldLanes(values, multiplier)) : [],
            all.map(({ value, offset }) => [
              third === "bias" ? value.set(f32x4.add(value, v128.load(at.third, offset))) : [],
              relu ? value.set(f32x4.pmax(value, v128.zero)) : [],
              third === "mask"
                ? value.set(
                    v128.and(value, f32x4.gt(v128.load(at.third, pixel * pixelBytes + offset), v128.zero)),
                  )
                : [],
            ]),
            storeRow(at.output, stored, values, pixel * pixelBytes),
          ];
        };
        return [
          sums.map((values) => values.map((value) => value.set(v128.zero))),
          lines.map(({ source, taps }) => [
            factors.map((values, tap) =>
              values.map((value, v) => value.set(v128.load(at.filter, taps[tap]! + group[v]!.many.offset))),
            ),
            products.map((ofCell, cell) => [
              ofCell.length === 0
                ? []
                : x.map((value, v) => value.set(group[v]!.source(at.source, source + cell * spec.cellBytes))),
              ofCell.map(({ pixel, tap }) =>
                sums[pixel]!.map((sum, v) => sum.set(multiplyAdd(module, x[v]!, factors[tap]![v]!, sum))),
              ),
            ]),
          ]),
          sums.map(finish),
        ];
      });
  });
}

/** The same, but it reads the output's gradient, and adds to the filter's. */
export function emitFilterTile(module: ModuleBuilder, spec: DepthwiseTileSpec): FunctionRef {
  const { products, lines, pixels, pixelBytes } = spec;
  return emitChannelBlocks(module, "depthwise filter", spec, (f) => {
    const pool = vectorPool(f);
    return (channels, at) =>
      groupsOf(spec, channels).map((group) => {
        const dy = Array.from({ length: pixels }, (_, pixel) => pool("dy", group.length, pixel));
        const sums = tapsOf(spec).map((tap) => pool("sum", group.length, tap));
        const x = pool("x", group.length, 0);
        const manys = group.map(({ many }) => many);
        return [
          dy.map((values, pixel) =>
            values.map((value, v) => value.set(v128.load(at.output, pixel * pixelBytes + manys[v]!.offset))),
          ),
          lines.map(({ source, taps }) => [
            sums.map((values) => values.map((value) => value.set(v128.zero))),
            products.map((ofCell, cell) => [
              ofCell.length === 0
                ? []
                : x.map((value, v) => value.set(group[v]!.source(at.source, source + cell * spec.cellBytes))),
              ofCell.map(({ pixel, tap }) =>
                sums[tap]!.map((sum, v) => sum.set(multiplyAdd(module, x[v]!, dy[pixel]![v]!, sum))),
              ),
            ]),
            sums.map((values, tap) => [
              values.map((sum, v) =>
                sum.set(f32x4.add(v128.load(at.filter, taps[tap]! + manys[v]!.offset), sum)),
              ),
              storeRow(at.filter, manys, values, taps[tap]),
            ]),
          ]),
        ];
      });
  });
}

type VectorPool = (name: string, count: number, index: number) => readonly Local<"v128">[];

/** Locals by name and index: groups of channels come one after the other and share them. */
function vectorPool(f: FunctionBuilder): VectorPool {
  const known = new Map<string, readonly Local<"v128">[]>();
  return (name, count, index) => {
    const key = `${name} ${count} ${index}`;
    const locals = known.get(key) ?? f.locals("v128", count);
    known.set(key, locals);
    return locals;
  };
}

/** Indices of all horizontal taps. */
function tapsOf({ lines }: DepthwiseTileSpec): readonly number[] {
  return (lines[0]?.taps ?? []).map((_, tap) => tap);
}

/** The loop over tiles, and in it over blocks of channels. */
function emitChannelBlocks(
  module: ModuleBuilder,
  name: string,
  spec: DepthwiseTileSpec,
  blockOf: (f: FunctionBuilder) => EmitBlock,
): FunctionRef {
  const { channels, multiplier, adjoint, third } = spec;
  const places = ["source", "filter", "third", "output"] as const;
  return module.func(`${name} tile ${JSON.stringify(spec)}`, [...places, "tiles"], (p, f) => {
    const at = f.named("i32", places);
    const pass = f.local("i32");
    const block = blockOf(f);
    const full = multiplier === 1 ? 2 * VECTOR_FLOATS : VECTOR_FLOATS;
    const rest = channels % full;
    const isMany = { source: adjoint, filter: true, third: !adjoint, output: !adjoint };
    const advance = (place: Place): Body =>
      increase(at[place], full * (isMany[place] ? multiplier : 1) * FLOAT_BYTES);
    return whileLoop(p.tiles, [
      places.map((place) => at[place].set(p[place])),
      repeat(pass, Math.floor(channels / full), [block(full, at), places.map(advance)]),
      rest === 0 ? [] : block(rest, at),
      increase(p.source, spec.sourceBytes),
      increase(p.output, spec.outputBytes),
      third === "mask" ? increase(p.third, spec.outputBytes) : [],
      increase(p.tiles, -1),
    ]);
  });
}

/** The vectors of a block of channels, in the groups that are worked on at once. */
function groupsOf(
  { multiplier, adjoint, paired }: DepthwiseTileSpec,
  channels: number,
): readonly (readonly Lanes[])[] {
  const lanes = vectorsOf(channels * multiplier).map((many, v): Lanes => ({
    many,
    source:
      multiplier === 1 || adjoint
        ? (address, offset) => v128.load(address, offset + many.offset)
        : (address, offset) => spreadLanes(v128.load(address, offset), v, multiplier),
  }));
  const together = multiplier === 1 ? paired : adjoint;
  return together ? [lanes] : lanes.map((one) => [one]);
}

type Four = readonly [number, number, number, number];

/** Vector `v` of four channels of which each stands `multiplier` times. */
function spreadLanes(channels: V128, v: number, multiplier: number): V128 {
  const lanes = [0, 1, 2, 3].map((lane) => Math.min(3, Math.floor((v * VECTOR_FLOATS + lane) / multiplier)));
  return shuffle32(channels, channels, lanes as unknown as Four);
}

/** Four sums of `multiplier` neighbouring lanes each; `vectors` hold them all. */
function foldLanes(vectors: readonly V128[], multiplier: number): V128 {
  const strided = Array.from({ length: multiplier }, (_, m) => {
    const pick = (channel: number) => {
      const index = channel * multiplier + m;
      return {
        vector: vectors[Math.min(Math.floor(index / VECTOR_FLOATS), vectors.length - 1)]!,
        lane: index % VECTOR_FLOATS,
      };
    };
    const pair = (low: number): V128 => {
      const [a, b] = [pick(low), pick(low + 1)];
      return shuffle32(a.vector, b.vector, [a.lane, VECTOR_FLOATS + b.lane, 0, 0]);
    };
    return shuffle32(pair(0), pair(2), [0, 1, 4, 5]);
  });
  return strided.reduce((sum, one) => f32x4.add(sum, one));
}
