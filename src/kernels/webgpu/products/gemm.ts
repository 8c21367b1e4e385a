// The general product y = finish(op(a) op(b)) as passes: with a tile, or with K split over workgroups and a second pass that
// adds the parts where there are too few tiles to fill a GPU.

import { partialSumsPass, partStride } from "../emit/partial-sums.ts";
import type { BoundMemory, WebGpuPass, WebGpuRoutine, WebGpuTarget } from "../kernel.ts";
import { loadFour, matrixOperand, rowType, storeFour } from "./matrix.ts";
import { tilePass, type OperandPrecision, type Tile, type TileProduct } from "./tile.ts";

const OUTPUT: BoundMemory = { output: 0 };

/** y[M, N] = relu(op(a)[M, K] op(b)[K, N] + bias[N]), and 0 where mask[M, N] is not above 0. */
export interface GemmSpec {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** a is [K, M], b is [N, K]. */
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  /** Positions of operands; those of a and b are 0 and 1. */
  readonly bias?: number;
  readonly mask?: number;
  readonly relu: boolean;
}

/** `passOf` makes the pass that multiplies. */
export function gemm(spec: GemmSpec, splits: number, passOf: PassMaker): WebGpuRoutine {
  const { m, n, k, transposeA, transposeB } = spec;
  const a = matrixOperand("a", { input: 0 }, transposeA ? "outer" : "k", { outer: m, k });
  const b = matrixOperand("b", { input: 1 }, transposeB ? "k" : "outer", { outer: n, k });
  const product = { m, n, k, a: a.operand, b: b.operand, bindings: { a: a.binding, b: b.binding } };
  return splitProduct({ ...product, finish: finish(spec) }, splits, passOf);
}

/** What becomes of the sums. */
export interface Finish {
  /** They store `sums`, a vec4f, which are at `row` and from `column` on. */
  readonly statements: string;
  readonly bindings: WebGpuPass["bindings"];
}

export interface TiledProduct extends Omit<TileProduct, "store" | "splits"> {
  readonly finish: Finish;
}

type PassMaker = (product: TileProduct) => WebGpuPass;

export function tiledProduct(
  product: TiledProduct,
  tile: Tile,
  splits: number,
  target: WebGpuTarget,
  precision: OperandPrecision = "f32",
): WebGpuRoutine {
  return splitProduct(product, splits, (part) => tilePass(tile, part, target, precision));
}

/** The sums in one pass, or in as many splits of K, with a second pass that adds them up. */
function splitProduct(
  { finish, ...product }: TiledProduct,
  splits: number,
  passOf: PassMaker,
): WebGpuRoutine {
  const { m, n, bindings } = product;
  if (splits === 1) {
    const store = { store: finish.statements, bindings: { ...bindings, ...finish.bindings } };
    return { passes: [passOf({ ...product, ...store })] };
  }
  // Parts have rows of whole vec4, so that they are stored as such.
  const width = Math.ceil(n / 4) * 4;
  const partials = { scratch: "partials", write: true } as const;
  const stride = partStride(m * width);
  return {
    passes: [
      passOf({
        ...product,
        splits,
        store: `$partials[split * ${stride / 4}u + row * ${width / 4}u + column / 4u] = sums;`,
        bindings: { ...bindings, partials: { of: partials, type: "vec4f" } },
      }),
      partialSumsPass({
        elements: m * width,
        parts: splits,
        partials: { scratch: "partials" },
        finish: `let row = i / ${width / 4}u; let column = i % ${width / 4}u * 4u;
  ${finish.statements}`,
        bindings: finish.bindings,
      }),
    ],
    scratch: { partials: splits * stride },
  };
}

/** Bias, activation and mask, to output 0. */
export function finish({ n, bias, mask, relu }: Pick<GemmSpec, "n" | "bias" | "mask" | "relu">): Finish {
  const type = rowType(n);
  const biases =
    n % 4 === 0
      ? "$bias[column / 4u]"
      : `vec4f(${[0, 1, 2, 3].map((i) => `$bias[column + ${i}u]`).join(", ")})`;
  let value = bias === undefined ? "sums" : `sums + ${biases}`;
  if (relu) value = `max(${value}, vec4f())`;
  if (mask !== undefined) value = `select(vec4f(), ${value}, ${loadFour("mask", n)} > vec4f())`;
  return {
    statements: storeFour("y", value, n),
    bindings: {
      y: { of: OUTPUT, type },
      ...(bias === undefined ? {} : { bias: { of: { input: bias }, type } }),
      ...(mask === undefined ? {} : { mask: { of: { input: mask }, type } }),
    },
  };
}
