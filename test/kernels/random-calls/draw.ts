// What random calls are drawn with.

import type { RandomStream } from "../../../src/random.ts";
import type { OpName, ParamsOf } from "../../../src/kernels/ops/index.ts";
import { f32, i32, type TensorType } from "../../../src/kernels/tensor.ts";

export interface Draft<N extends OpName> {
  readonly inputs: readonly TensorType[];
  readonly params: ParamsOf<N>;
}

/** Multiply-adds of a product or a convolution, so that the reference has done soon. */
export const MAXIMUM_MULTIPLY_ADDS = 1e6;

/** What calls are drawn with. Bounds are inclusive. */
export class Draw {
  readonly #random: RandomStream;

  constructor(random: RandomStream) {
    this.#random = random;
  }

  int(low: number, high: number): number {
    return low + this.#random.nextInt(high - low + 1);
  }

  /** 1..most, small ones and those next to multiples of 4 more often. */
  extent(most: number): number {
    const any = this.int(1, this.flag() ? most : Math.ceil(Math.sqrt(most)));
    return this.flag() ? any : Math.min(most, Math.max(1, Math.round(any / 4) * 4 + this.int(-1, 1)));
  }

  flag(): boolean {
    return this.#random.nextInt(2) === 1;
  }

  pick<const T>(...choices: readonly T[]): T {
    return choices[this.#random.nextInt(choices.length)]!;
  }

  /** All, or all but the last. */
  optional(operands: readonly TensorType[]): readonly TensorType[] {
    return operands.slice(0, operands.length - this.int(0, 1));
  }

  activation(): "none" | "relu" {
    return this.pick("none", "relu");
  }

  /** Of up to three axes, `elements` at most. */
  shape(elements: number): readonly number[] {
    const last = this.extent(elements);
    const middle = this.extent(Math.floor(elements / last));
    return this.pick(
      [last],
      [middle, last],
      [this.extent(Math.ceil(elements / last / middle)), middle, last],
    );
  }
}

export const flat = (draw: Draw): TensorType => f32(...draw.shape(draw.pick(40, 400)));

/** x[..., C], and C. */
export function rows(draw: Draw): { readonly x: TensorType; readonly columns: TensorType } {
  const x = f32(...draw.shape(draw.pick(100, 4_000)));
  return { x, columns: f32(x.shape.at(-1)!) };
}

export function matrix(draw: Draw): { readonly x: TensorType; readonly perRow: TensorType } {
  const [B, C] = [draw.extent(70), draw.extent(200)];
  return { x: f32(B, C), perRow: i32(B) };
}

export function unary<N extends OpName>(
  params: (draw: Draw) => ParamsOf<N>,
  operands = 1,
): (draw: Draw) => Draft<N> {
  return (draw) => ({ inputs: new Array<TensorType>(operands).fill(flat(draw)), params: params(draw) });
}
export const noParams = () => ({});
export const slope = (draw: Draw) => ({ alpha: draw.pick(0, 0.01, 0.3, 1, 1.5) });
