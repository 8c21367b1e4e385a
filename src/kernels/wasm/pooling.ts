// Kernels of pooling and its gradients: one walk over windows for all four, vectors across channels.

import type { KernelCall } from "../kernel.ts";
import type { AnyOp } from "../op.ts";
import {
  avgPool,
  avgPoolGrad,
  maxPool,
  maxPoolGrad,
  poolGeometry,
  type AvgPoolGradParams,
  type PoolGeometry,
  type PoolParams,
} from "../ops/pooling.ts";
import { clip } from "./clip.ts";
import { forRange, increase, whileLoop, type FunctionBuilder, type Local } from "./emitter.ts";
import { f32, f32x4, i32, memory, v128, type Body, type I32, type V128 } from "./instructions.ts";
import { singlePhase, type WasmKernel } from "./kernel.ts";
import { FLOAT_BYTES, storeRow, sweep, type Vector } from "./lanes.ts";

/** Windows of up to this many cells are unrolled, if none overlaps the border. */
const MAXIMUM_UNROLLED_CELLS = 9;

/** What a pool does with the vectors of one window; called once per width of vectors. */
interface WindowContext {
  readonly locals: FunctionBuilder;
  readonly vectors: readonly Vector[];
  /** Addresses of the window's pixel in the pooled tensors, in their order. */
  readonly pixels: readonly Local<"i32">[];
  /** Four times the count of the window's cells that lie inside the image. */
  readonly cellCount: V128;
  /** Runs `visit` for each such cell in row-major order, with its address in each of the images. */
  readonly forCells: (visit: (addresses: readonly I32[], offset: number) => Body) => Body;
}

interface Pool<P extends PoolParams> {
  readonly op: AnyOp;
  /** In the order of the op's operands and results: of the image's shape, or of the pooled one. */
  readonly operands: readonly ("image" | "pooled")[];
  /** The result is a gradient of the image: it begins at zero, windows add to it. */
  readonly scatters: boolean;
  readonly imageShape: (call: KernelCall<P>) => readonly number[];
  readonly window: (context: WindowContext) => Body;
}

function poolKernel<P extends PoolParams>(pool: Pool<P>): WasmKernel {
  const { op, operands, scatters, window } = pool;
  return {
    name: `f32-${op.name}-wasm`,
    op,
    accepts: () => true,
    emit(module, call: KernelCall<P>) {
      const geometry = poolGeometry(op.name, pool.imageShape(call), call.params);
      const { poolSize, strides } = call.params;
      const { B, H, W, C, vertical, horizontal } = geometry;
      const cellBytes = C * FLOAT_BYTES;
      const rowBytes = W * cellBytes;
      const clipped = isClipped(geometry);
      const unrolled = !clipped && poolSize[0] * poolSize[1] <= MAXIMUM_UNROLLED_CELLS;
      const operandNames = operands.map((kind, i) => `${kind}${i}`);
      const names = ["begin", "end", ...operandNames, "scratch"];
      const key = `${op.name} ${JSON.stringify([geometry, poolSize, strides])}`;

      const func = module.func(key, names, (p, f) => {
        const ofKind = (kind: "image" | "pooled") =>
          operandNames.filter((_, i) => operands[i] === kind).map((name) => p[name]!);
        const images = ofKind("image");
        const pixels = ofKind("pooled");
        const cells = f.locals("i32", images.length);
        const walkers = f.locals("i32", images.length);
        const { sample, row, column, pass } = f.named("i32", ["sample", "row", "column", "pass"]);
        const { top, height, left, width } = f.named("i32", ["top", "height", "left", "width"]);
        const { walkedRows, walkedCells } = f.named("i32", ["walkedRows", "walkedCells"]);
        const cellCount = f.local("v128");

        const forCells: WindowContext["forCells"] = (visit) => {
          if (unrolled)
            return Array.from({ length: poolSize[0] }, (_, y) =>
              Array.from({ length: poolSize[1] }, (_, x) => visit(cells, y * rowBytes + x * cellBytes)),
            );
          return [
            walkers.map((walker, i) => walker.set(cells[i]!)),
            walkedRows.set(height),
            whileLoop(walkedRows, [
              walkedCells.set(width),
              whileLoop(walkedCells, [
                visit(walkers, 0),
                walkers.map((walker) => increase(walker, cellBytes)),
                increase(walkedCells, -1),
              ]),
              walkers.map((walker) => increase(walker, i32.sub(rowBytes, i32.mul(width, cellBytes)))),
              increase(walkedRows, -1),
            ]),
          ];
        };
        const windowAt = [
          cells.map((cell, i) =>
            cell.set(i32.add(images[i]!, i32.add(i32.mul(top, rowBytes), i32.mul(left, cellBytes)))),
          ),
          cellCount.set(f32x4.splat(f32.convertI32S(i32.mul(height, width)))),
          sweep(C, pass, [...cells, ...pixels], (vectors) =>
            window({ locals: f, vectors, pixels, cellCount, forCells }),
          ),
        ];
        const start = (index: Local<"i32">, stride: number, before: number): I32 =>
          i32.sub(i32.mul(index, stride), before);
        const imageBytes = H * rowBytes;
        const pooledBytes = vertical.output * horizontal.output * cellBytes;
        return [
          images.map((image) => increase(image, i32.mul(p["begin"]!, imageBytes))),
          pixels.map((pixel) => increase(pixel, i32.mul(p["begin"]!, pooledBytes))),
          forRange(sample, p["begin"]!, p["end"]!, 1, [
            scatters ? memory.fill(images.at(-1)!, 0, imageBytes) : [],
            forRange(row, 0, vertical.output, 1, [
              clip(start(row, strides[0], vertical.before), poolSize[0], H, top, height),
              forRange(column, 0, horizontal.output, 1, [
                clip(start(column, strides[1], horizontal.before), poolSize[1], W, left, width),
                windowAt,
              ]),
            ]),
            images.map((image) => increase(image, imageBytes)),
          ]),
        ];
      });
      return singlePhase({ func, extent: B, grain: 1 });
    },
  };
}

function isClipped({ vertical, horizontal }: PoolGeometry): boolean {
  return [vertical, horizontal].some(({ before, after }) => before > 0 || after > 0);
}

/** The larger of each pair of lanes; NaN if one is. */
function maximum(a: V128, b: V128): V128 {
  return v128.or(f32x4.pmax(a, b), f32x4.pmax(b, a));
}

const maxPoolKernel = poolKernel<PoolParams>({
  op: maxPool,
  operands: ["image", "pooled"],
  scatters: false,
  imageShape: ({ inputs }) => inputs[0]!.shape,
  window({ locals, vectors, pixels: [y], forCells }) {
    const best = locals.locals("v128", vectors.length);
    return [
      best.map((value) => value.set(f32x4.splat(f32.const(-Infinity)))),
      forCells(([x], cell) =>
        vectors.map(({ offset }, j) => best[j]!.set(maximum(v128.load(x!, cell + offset), best[j]!))),
      ),
      storeRow(y!, vectors, best),
    ];
  },
});

const maxPoolGradKernel = poolKernel<PoolParams>({
  op: maxPoolGrad,
  operands: ["image", "pooled", "pooled", "image"],
  scatters: true,
  imageShape: ({ inputs }) => inputs[0]!.shape,
  window({ locals, vectors, pixels: [y, dy], forCells }) {
    const count = vectors.length;
    const largest = locals.locals("v128", count);
    /** What no cell has got yet: the first maximum takes it all. */
    const left = locals.locals("v128", count);
    const isLargest = locals.locals("v128", count);
    return [
      vectors.map(({ offset }, j) => largest[j]!.set(v128.load(y!, offset))),
      vectors.map(({ offset }, j) => left[j]!.set(v128.load(dy!, offset))),
      forCells(([x, dx], cell) => {
        const sums = vectors.map(({ offset }, j) =>
          f32x4.add(v128.load(dx!, cell + offset), v128.and(left[j]!, isLargest[j]!)),
        );
        const summed = locals.locals("v128", count);
        return [
          vectors.map(({ offset }, j) =>
            isLargest[j]!.set(f32x4.eq(v128.load(x!, cell + offset), largest[j]!)),
          ),
          summed.map((local, j) => local.set(sums[j]!)),
          left.map((local, j) => local.set(v128.andNot(local, isLargest[j]!))),
          storeRow(dx!, vectors, summed, cell),
        ];
      }),
    ];
  },
});

const avgPoolKernel = poolKernel<PoolParams>({
  op: avgPool,
  operands: ["image", "pooled"],
  scatters: false,
  imageShape: ({ inputs }) => inputs[0]!.shape,
  window({ locals, vectors, pixels: [y], cellCount, forCells }) {
    const sums = locals.locals("v128", vectors.length);
    return [
      sums.map((sum) => sum.set(v128.zero)),
      forCells(([x], cell) =>
        vectors.map(({ offset }, j) => sums[j]!.set(f32x4.add(sums[j]!, v128.load(x!, cell + offset)))),
      ),
      sums.map((sum) => sum.set(f32x4.div(sum, cellCount))),
      storeRow(y!, vectors, sums),
    ];
  },
});

const avgPoolGradKernel = poolKernel<AvgPoolGradParams>({
  op: avgPoolGrad,
  operands: ["pooled", "image"],
  scatters: true,
  imageShape: ({ params }) => params.inputShape,
  window({ locals, vectors, pixels: [dy], cellCount, forCells }) {
    const shares = locals.locals("v128", vectors.length);
    const summed = locals.locals("v128", vectors.length);
    return [
      vectors.map(({ offset }, j) => shares[j]!.set(f32x4.div(v128.load(dy!, offset), cellCount))),
      forCells(([dx], cell) => [
        vectors.map(({ offset }, j) => summed[j]!.set(f32x4.add(v128.load(dx!, cell + offset), shares[j]!))),
        storeRow(dx!, vectors, summed, cell),
      ]),
    ];
  },
});

export const poolingKernels: readonly WasmKernel[] = [
  maxPoolKernel,
  maxPoolGradKernel,
  avgPoolKernel,
  avgPoolGradKernel,
];
