// Kernel of k-means' assignment. Distances are sums of squared differences, not |x|^2 - 2 x c + |c|^2: that would be
// half the work of the floating-point units, but loses all digits where a row lies close to its centroid. Centroids
// are the lanes, packed into panels once per call; distances of a few rows go to scratch, and the least is looked for
// there.

import type { KernelCall } from "../../kernel.ts";
import { kmeansAssign } from "../../ops/kmeans-assign.ts";
import {
  forRange,
  increase,
  repeat,
  when,
  whileLoop,
  type FunctionRef,
  type ModuleBuilder,
} from "../../../wasm/emitter.ts";
import { f32x4, i32, i32x4, shuffle32, v128, type Body } from "../../../wasm/instructions.ts";
import type { WasmKernel } from "../kernel.ts";
import {
  FLOAT_BYTES,
  multiplyAdd,
  splat,
  VECTOR_BYTES,
  VECTOR_FLOATS,
  vectorsOf,
} from "../../../wasm/lanes.ts";
import { emitPack } from "./pack.ts";
import { columnsOf, packedBytes, packedStep, widthsOf } from "./panels.ts";
import { suits, type TileWidth } from "./tile.ts";

/** Rows at a time: with a panel's vectors, as many sums as hide a multiply-add's latency. */
const ROWS = 4;

export function kmeansAssignKernel(tileWidth: TileWidth): WasmKernel {
  return {
    name: `f32-kmeans-assign-${ROWS}x${tileWidth}-wasm`,
    op: kmeansAssign,
    accepts: (_, target) => suits(tileWidth, target),
    emit(module, { inputs }: KernelCall) {
      const [B, D] = inputs[0]!.shape as [number, number];
      const K = inputs[1]!.shape[0]!;
      const panels = columnsOf(K, tileWidth);
      const rowBytes = D * FLOAT_BYTES;
      const panelBytes = D * packedStep(tileWidth);
      const distanceBytes = packedBytes(panels, 1);
      const names = [
        "begin",
        "end",
        "x",
        "centroids",
        "assignment",
        "distances",
        "shared",
        "scratch",
      ] as const;

      const pack = module.func(`k-means panels ${tileWidth} ${K}x${D}`, names, (p, f) => {
        const { panel, from, to } = f.named("i32", ["panel", "from", "to"]);
        const packPanel = (width: number): Body =>
          emitPack(module, width, D, { transposed: true, rowBytes }).call(from, to);
        const [first, second] = widthsOf(panels) as [number, number?];
        return forRange(panel, p.begin, p.end, 1, [
          from.set(i32.add(p.centroids, i32.mul(panel, tileWidth * rowBytes))),
          to.set(i32.add(p.shared, i32.mul(panel, panelBytes))),
          second === undefined
            ? packPanel(first)
            : when(i32.ltU(panel, panels.full), packPanel(first), packPanel(second)),
        ]);
      });

      const assign = module.func(`k-means assign ${tileWidth} ${K}x${D}`, names, (p, f) => {
        const { panel, at, remaining } = f.named("i32", ["panel", "at", "remaining"]);
        const assignRows = (rows: number): Body => {
          const measure = (width: number) => emitDistances(module, { rows, width, length: D, distanceBytes });
          return [
            panel.set(p.shared),
            at.set(p.scratch),
            repeat(remaining, panels.full, [
              measure(tileWidth).call(p.x, panel, at),
              increase(panel, panelBytes),
              increase(at, tileWidth * FLOAT_BYTES),
            ]),
            panels.rest === 0 ? [] : measure(panels.rest).call(p.x, panel, at),
            Array.from({ length: rows }, (_, row) =>
              emitNearest(module, distanceBytes / VECTOR_BYTES).call(
                i32.add(p.scratch, row * distanceBytes),
                i32.add(p.assignment, row * FLOAT_BYTES),
                i32.add(p.distances, row * FLOAT_BYTES),
              ),
            ),
            increase(p.x, rows * rowBytes),
            increase(p.assignment, rows * FLOAT_BYTES),
            increase(p.distances, rows * FLOAT_BYTES),
            increase(p.begin, rows),
          ];
        };
        return [
          increase(p.x, i32.mul(p.begin, rowBytes)),
          increase(p.assignment, i32.mul(p.begin, FLOAT_BYTES)),
          increase(p.distances, i32.mul(p.begin, FLOAT_BYTES)),
          whileLoop(i32.geU(i32.sub(p.end, p.begin), ROWS), assignRows(ROWS)),
          whileLoop(i32.ltU(p.begin, p.end), assignRows(1)),
        ];
      });
      return {
        phases: [
          { func: pack, extent: panels.full + Math.sign(panels.rest), grain: 1 },
          { func: assign, extent: B, grain: ROWS },
        ],
        sharedBytes: packedBytes(panels, D),
        scratchBytes: ROWS * distanceBytes,
      };
    },
  };
}

interface DistancesSpec {
  readonly rows: number;
  readonly width: number;
  readonly length: number;
  /** From row to row of the distances. */
  readonly distanceBytes: number;
}

/** A function (x, panel, distances): those of each row of x to each centroid of a panel. */
function emitDistances(module: ModuleBuilder, spec: DistancesSpec): FunctionRef {
  const { rows, width, length, distanceBytes } = spec;
  const key = `k-means distances ${JSON.stringify(spec)}`;
  return module.func(key, ["x", "panel", "distances"], (p, f) => {
    const pass = f.local("i32");
    const vectors = vectorsOf(width);
    const sums = Array.from({ length: rows }, () => f.locals("v128", vectors.length));
    const centroids = f.locals("v128", vectors.length);
    const differences = f.locals("v128", vectors.length);
    const x = f.local("v128");
    return [
      sums.map((row) => row.map((sum) => sum.set(v128.zero))),
      repeat(pass, length, [
        centroids.map((values, j) => values.set(v128.load(p.panel, vectors[j]!.offset))),
        sums.map((row, i) => [
          x.set(v128.load32Splat(p.x, i * length * FLOAT_BYTES)),
          differences.map((difference, j) => difference.set(f32x4.sub(centroids[j]!, x))),
          row.map((sum, j) => sum.set(multiplyAdd(module, differences[j]!, differences[j]!, sum))),
        ]),
        increase(p.x, FLOAT_BYTES),
        increase(p.panel, packedStep(width)),
      ]),
      sums.map((row, i) =>
        row.map((sum, j) => v128.store(p.distances, sum, i * distanceBytes + vectors[j]!.offset)).reverse(),
      ),
    ];
  });
}

/**
 * A function (distances, assignment, distance): the first of the least of `vectors` vectors. Lanes that a panel lacks
 * repeat its last centroid, which comes before them.
 */
function emitNearest(module: ModuleBuilder, vectors: number): FunctionRef {
  const names = ["distances", "assignment", "distance"] as const;
  return module.func(`nearest of ${vectors}`, names, (p, f) => {
    const pass = f.local("i32");
    const { least, nearest, four, other, otherIndex, closer } = f.named("v128", [
      "least",
      "nearest",
      "four",
      "other",
      "otherIndex",
      "closer",
    ]);
    const take = [
      least.set(v128.bitselect(other, least, closer)),
      nearest.set(v128.bitselect(otherIndex, nearest, closer)),
    ];
    const acrossLanes = (lanes: readonly [number, number, number, number]): Body => [
      other.set(shuffle32(least, least, lanes)),
      otherIndex.set(shuffle32(nearest, nearest, lanes)),
      closer.set(
        v128.or(f32x4.lt(other, least), v128.and(f32x4.eq(other, least), i32x4.geS(nearest, otherIndex))),
      ),
      take,
    ];
    return [
      least.set(splat(Infinity)),
      nearest.set(v128.zero),
      otherIndex.set(i32x4.const([0, 1, 2, 3])),
      four.set(i32x4.splat(i32.const(VECTOR_FLOATS))),
      repeat(pass, vectors, [
        other.set(v128.load(p.distances)),
        closer.set(f32x4.lt(other, least)),
        take,
        otherIndex.set(i32x4.add(otherIndex, four)),
        increase(p.distances, VECTOR_BYTES),
      ]),
      acrossLanes([2, 3, 0, 1]),
      acrossLanes([1, 0, 3, 2]),
      v128.store32Lane(p.assignment, nearest, 0),
      v128.store32Lane(p.distance, least, 0),
    ];
  });
}
