// Kernels of local response normalisation: for each pixel, a copy of a row with zeros on both sides, from which the
// neighbours are read at shifted addresses. Units are pixels.

import type { KernelCall } from "../../kernel.ts";
import {
  localResponseNorm,
  localResponseNormGrad,
  type LocalResponseNormParams,
} from "../../ops/local-response-norm.ts";
import { elementCount } from "../../tensor.ts";
import { forRange, increase, type FunctionBuilder, type Local } from "../../../wasm/emitter.ts";
import { f32x4, i32, memory, v128, type Body, type V128 } from "../../../wasm/instructions.ts";
import { singlePhase, type WasmKernel } from "../kernel.ts";
import {
  FLOAT_BYTES,
  storeRow,
  sweep,
  SWEEP_FLOATS,
  VECTOR_FLOATS,
  type Vector,
} from "../../../wasm/lanes.ts";
import { VectorMath } from "../../../wasm/vector-math.ts";

const { add, mul, div, sqrt } = f32x4;

/** Bytes of a row with `depthRadius` zeros on both sides, and what a last vector reads beyond. */
function borderedBytes(columns: number, depthRadius: number): number {
  return (columns + 2 * depthRadius + VECTOR_FLOATS) * FLOAT_BYTES;
}

/** The sum over neighbours of a vector; `row` is the bordered row's address less the vector's offset. */
function nearby(row: Local<"i32">, offset: number, depthRadius: number): V128 {
  return Array.from({ length: 2 * depthRadius + 1 }, (_, j) =>
    v128.load(row, offset + j * FLOAT_BYTES),
  ).reduce(add);
}

/** result = s^-beta for positive s; the exponents of the paper and its neighbours need no logarithm. */
function negativePower(math: VectorMath, result: Local<"v128">, s: Local<"v128">, beta: number): Body {
  const one = math.constant(1);
  if (beta === 1) return result.set(div(one, s));
  if (beta === 0.5) return result.set(div(one, sqrt(s)));
  if (beta === 0.75) return [result.set(sqrt(s)), result.set(div(one, mul(result, sqrt(result))))];
  return [math.log(result, s), math.exp(result, mul(result, math.constant(-beta)))];
}

interface Pixel {
  readonly math: VectorMath;
  /** Addresses: of x, of dy if there is one, and of the result. */
  readonly x: Local<"i32">;
  readonly dy: Local<"i32">;
  readonly y: Local<"i32">;
  readonly scratch: Local<"i32">;
  /** sweeps over the channels: the pointers go back to where they were. */
  readonly overChannels: (
    pointers: readonly Local<"i32">[],
    body: (vectors: readonly Vector[]) => Body,
  ) => Body;
}

function pixelKernel(
  op: typeof localResponseNorm,
  names: readonly ("x" | "dy")[],
  borderedRows: number,
  pixel: (f: FunctionBuilder, columns: number, params: LocalResponseNormParams, pixel: Pixel) => Body,
): WasmKernel {
  return {
    name: `f32-${op.name}-wasm`,
    op,
    accepts: () => true,
    emit(module, { inputs, params }: KernelCall<LocalResponseNormParams>) {
      const columns = inputs[0]!.shape.at(-1)!;
      const rowBytes = columns * FLOAT_BYTES;
      const scratchBytes = borderedRows * borderedBytes(columns, params.depthRadius);
      const parameters: readonly string[] = ["begin", "end", ...names, "y", "scratch"];
      const key = `${op.name} ${columns} ${JSON.stringify(params)}`;
      const func = module.func(key, parameters, (p, f) => {
        const { row, pass } = f.named("i32", ["row", "pass"]);
        const math = new VectorMath(f);
        const matrices = [...names, "y"].map((name) => p[name]!);
        const body = pixel(f, columns, params, {
          ...{ math, x: p["x"]!, dy: p["dy"] ?? p["x"]!, y: p["y"]!, scratch: p["scratch"]! },
          overChannels: (pointers, tile) => [
            sweep(columns, pass, pointers, tile),
            pointers.map((pointer) => increase(pointer, -rowBytes)),
          ],
        });
        return [
          math.prologue(),
          matrices.map((matrix) => increase(matrix, i32.mul(p["begin"]!, rowBytes))),
          memory.fill(p["scratch"]!, 0, scratchBytes),
          forRange(row, p["begin"]!, p["end"]!, 1, [
            body,
            matrices.map((matrix) => increase(matrix, rowBytes)),
          ]),
        ];
      });
      return singlePhase({ func, extent: elementCount(inputs[0]!) / columns, grain: 1, scratchBytes });
    },
  };
}

/** The squares of x, with a border. */
function squares(
  f: FunctionBuilder,
  { depthRadius }: LocalResponseNormParams,
  { x, scratch, overChannels }: Pixel,
): Body {
  const values = f.locals("v128", SWEEP_FLOATS / 4);
  return overChannels([x, scratch], (vectors) => [
    vectors.map(({ offset }, j) => {
      const value = values[j]!;
      return [value.set(v128.load(x, offset)), value.set(mul(value, value))];
    }),
    storeRow(scratch, vectors, values, depthRadius * FLOAT_BYTES),
  ]);
}

/** s = bias + alpha sum of the squares nearby */
function denominator(
  { math, scratch }: Pixel,
  { depthRadius, bias, alpha }: LocalResponseNormParams,
  offset: number,
): V128 {
  return add(math.constant(bias), mul(math.constant(alpha), nearby(scratch, offset, depthRadius)));
}

const localResponseNormKernel = pixelKernel(localResponseNorm, ["x"], 1, (f, _, params, pixel) => {
  const { s, power } = f.named("v128", ["s", "power"]);
  const values = f.locals("v128", SWEEP_FLOATS / 4);
  const { math, x, y, scratch, overChannels } = pixel;
  return [
    squares(f, params, pixel),
    overChannels([x, y, scratch], (vectors) => [
      vectors.map(({ offset }, j) => [
        s.set(denominator(pixel, params, offset)),
        negativePower(math, power, s, params.beta),
        values[j]!.set(mul(v128.load(x, offset), power)),
      ]),
      storeRow(y, vectors, values),
    ]),
  ];
});

const localResponseNormGradKernel = pixelKernel(
  localResponseNormGrad,
  ["x", "dy"],
  2,
  (f, columns, params, pixel) => {
    const { depthRadius, alpha, beta } = params;
    const { s, power } = f.named("v128", ["s", "power"]);
    const values = f.locals("v128", SWEEP_FLOATS / 4);
    const products = f.locals("v128", SWEEP_FLOATS / 4);
    const { math, x, dy, y: dx, scratch, overChannels } = pixel;
    const secondBytes = borderedBytes(columns, depthRadius);
    return [
      squares(f, params, pixel),
      // dx keeps dy s^-beta until its neighbours are known; the second row is that by x / s.
      overChannels([x, dy, dx, scratch], (vectors) => [
        vectors.map(({ offset }, j) => [
          s.set(denominator(pixel, params, offset)),
          negativePower(math, power, s, beta),
          values[j]!.set(mul(v128.load(dy, offset), power)),
          products[j]!.set(div(mul(values[j]!, v128.load(x, offset)), s)),
        ]),
        storeRow(scratch, vectors, products, secondBytes + depthRadius * FLOAT_BYTES),
        storeRow(dx, vectors, values),
      ]),
      overChannels([x, dx, scratch], (vectors) => [
        vectors.map(({ offset }, j) => {
          const through = mul(v128.load(x, offset), nearby(scratch, secondBytes + offset, depthRadius));
          const scaled = mul(math.constant(-2 * alpha * beta), through);
          return values[j]!.set(add(v128.load(dx, offset), scaled));
        }),
        storeRow(dx, vectors, values),
      ]),
    ];
  },
);

export const localResponseNormKernels: readonly WasmKernel[] = [
  localResponseNormKernel,
  localResponseNormGradKernel,
];
