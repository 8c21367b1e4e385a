// Winograd's transforms between images and components: patches of an image become one row of every component's
// matrix [patches x channels], and rows of products become tiles of an image.

import { increase, repeat, whileLoop, type FunctionRef, type ModuleBuilder } from "../../../wasm/emitter.ts";
import { f32x4, v128, type Body, type V128 } from "../../../wasm/instructions.ts";
import {
  FLOAT_BYTES,
  storeRow,
  VECTOR_BYTES,
  VECTOR_FLOATS,
  vectorsOf,
  type Vector,
} from "../../../wasm/lanes.ts";
import { sandwich } from "./sandwich.ts";
import { emitGridWalk, type Stretch, type TileGrid } from "./tile-grid.ts";
import type { Matrix } from "./winograd-matrices.ts";

/** Floats that a pass covers: a pair of vectors. */
export const PAIR_FLOATS = 2 * VECTOR_FLOATS;
export const PAIR_BYTES = 2 * VECTOR_BYTES;

/**
 * How the matrices [patches x channels] of the components lie in memory: a plane for each, in panels of so many
 * channels that lie one after the other. In bytes.
 */
export interface Planes {
  /** From row to row of a panel: whole pairs of vectors. */
  readonly pitch: number;
  /** A multiple of a pair of vectors, unless there is one panel. */
  readonly panelChannels: number;
  readonly panelBytes: number;
  readonly planeBytes: number;
}

/** A cache line, by which planes are kept from lying at multiples of 4 KiB: there they would fall into the same sets. */
export const LINE_BYTES = 64;

/** Planes of `rows` rows. Odd numbers of cache lines keep rows, and planes, from falling into the same sets. */
export function planesOf(rows: number, channels: number, panelChannels = channels): Planes {
  const pairs = Math.ceil(Math.min(channels, panelChannels) / PAIR_FLOATS);
  const panels = Math.ceil(channels / panelChannels);
  const lines = Math.ceil((pairs * PAIR_BYTES) / LINE_BYTES);
  const pitch = lines >= 8 && lines % 2 === 0 ? (lines + 1) * LINE_BYTES : pairs * PAIR_BYTES;
  const panelBytes = rows * pitch;
  const planeLines = Math.ceil((panels * panelBytes) / LINE_BYTES);
  return { pitch, panelChannels, panelBytes, planeBytes: (planeLines + 1 - (planeLines % 2)) * LINE_BYTES };
}

export interface GatherSpec {
  readonly grid: TileGrid;
  readonly matrix: Matrix;
  /** Rows of components that are computed; a plane for each component of them. */
  readonly rows: readonly number[];
  readonly planes: Planes;
}

const STRETCH = ["image", "mask", "bias", "planes", "count"] as const;

/**
 * A function (begin, end, images, 0, 0, planes): matrix d matrix^T of every patch d of rows of patches [begin, end).
 * It reads up to a pair of vectors from a pixel's last channels on, and writes as much.
 */
export function emitGather(module: ModuleBuilder, spec: GatherSpec): FunctionRef {
  const { grid, matrix, rows, planes } = spec;
  const { channels, horizontal, step } = grid;
  const pixelBytes = channels * FLOAT_BYTES;
  const rowBytes = horizontal.extent * pixelBytes;
  const { panelChannels, panelBytes } = planes;
  const panels = Math.floor(channels / panelChannels);
  const key = `gather ${JSON.stringify(spec)}`;

  const emitStretch = (vertical: Stretch, across: Stretch): FunctionRef =>
    module.func(`${key} ${JSON.stringify([vertical, across])}`, STRETCH, (p, f) => {
      const { pass, panel, target } = f.named("i32", ["pass", "panel", "target"]);
      const { prologue, body } = sandwich(module, f, { matrix, rows, width: 2 });
      const cell = (row: number, column: number) => {
        if (row < vertical.low || row >= vertical.high || column < across.low || column >= across.high)
          return undefined;
        const offset = (row - vertical.low) * rowBytes + (column - across.low) * pixelBytes;
        return [v128.load(p.image, offset), v128.load(p.image, offset + VECTOR_BYTES)];
      };
      const pair = vectorsOf(PAIR_FLOATS);
      const doPanel = (panelWidth: number): Body => {
        const passes = Math.ceil(panelWidth / PAIR_FLOATS);
        return [
          repeat(pass, passes, [
            body(cell, (row, column, values) => {
              const plane = rows.indexOf(row) * matrix.length + column;
              return storeRow(target, pair, values, plane * planes.planeBytes);
            }),
            increase(p.image, PAIR_BYTES),
            increase(target, PAIR_BYTES),
          ]),
          increase(p.image, panelWidth * FLOAT_BYTES - passes * PAIR_BYTES),
          increase(target, panelBytes - passes * PAIR_BYTES),
        ];
      };
      return [
        prologue,
        whileLoop(p.count, [
          target.set(p.planes),
          repeat(panel, panels, doPanel(panelChannels)),
          channels % panelChannels === 0 ? [] : doPanel(channels % panelChannels),
          increase(p.image, (step - 1) * pixelBytes),
          increase(p.planes, planes.pitch),
          increase(p.count, -1),
        ]),
      ];
    });
  return emitGridWalk(module, key, grid, planes.pitch, emitStretch);
}

export interface ScatterSpec {
  readonly grid: TileGrid;
  readonly matrix: Matrix;
  readonly planes: Planes;
  /** Adds bias[channels] to every pixel. */
  readonly bias: boolean;
  /** Clamps at zero, after the bias; a NaN stays NaN. */
  readonly relu: boolean;
  /** Zero where the mask, of the image's shape, is not above zero. */
  readonly mask: boolean;
}

/** A function (begin, end, images, mask, bias, planes): tile = matrix m matrix^T for rows of tiles [begin, end). */
export function emitScatter(module: ModuleBuilder, spec: ScatterSpec): FunctionRef {
  const { grid, matrix, planes } = spec;
  const { channels, horizontal, step } = grid;
  const pixelBytes = channels * FLOAT_BYTES;
  const rowBytes = horizontal.extent * pixelBytes;
  const passes = Math.floor(channels / PAIR_FLOATS);
  const key = `scatter ${JSON.stringify(spec)}`;

  const emitStretch = (vertical: Stretch, across: Stretch): FunctionRef =>
    module.func(`${key} ${JSON.stringify([vertical, across])}`, STRETCH, (p, f) => {
      const { pass, channel } = f.named("i32", ["pass", "channel"]);
      const rows = range(vertical.high);
      const columns = range(across.high);
      const { prologue, body } = sandwich(module, f, { matrix, rows, columns, width: 2 });
      const cell = (row: number, column: number) => {
        const offset = (row * matrix[0]!.length + column) * planes.planeBytes;
        return [v128.load(p.planes, offset), v128.load(p.planes, offset + VECTOR_BYTES)];
      };
      const doPass = (vectors: readonly Vector[]): Body =>
        body(cell, (row, column, values) => {
          const offset = row * rowBytes + column * pixelBytes;
          const each = (value: (of: V128, i: number) => V128): Body =>
            values.map((local, i) => local.set(value(local, i * VECTOR_BYTES)));
          return [
            spec.bias ? each((value, at) => f32x4.add(value, v128.load(channel, at))) : [],
            spec.relu ? each((value) => f32x4.pmax(value, v128.zero)) : [],
            spec.mask
              ? each((value, at) => v128.and(value, f32x4.gt(v128.load(p.mask, offset + at), v128.zero)))
              : [],
            storeRow(p.image, vectors, values, offset),
          ];
        });
      const rest = channels % PAIR_FLOATS;
      const advance = (cellBytes: number, planeBytes: number): Body => [
        increase(p.image, cellBytes),
        spec.mask ? increase(p.mask, cellBytes) : [],
        increase(p.planes, planeBytes),
      ];
      const done = passes * PAIR_BYTES;
      return [
        prologue,
        whileLoop(p.count, [
          spec.bias ? channel.set(p.bias) : [],
          repeat(pass, passes, [
            doPass(vectorsOf(PAIR_FLOATS)),
            spec.bias ? increase(channel, PAIR_BYTES) : [],
            advance(PAIR_BYTES, PAIR_BYTES),
          ]),
          rest === 0 ? [] : doPass(vectorsOf(rest)),
          advance(step * pixelBytes - done, planes.pitch - done),
          increase(p.count, -1),
        ]),
      ];
    });
  return emitGridWalk(module, key, grid, planes.pitch, emitStretch);
}

function range(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index);
}
