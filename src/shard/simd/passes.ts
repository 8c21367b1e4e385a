// How kernels of the window walk over a block's values.

import {
  forRange,
  type FunctionBuilder,
  type FunctionRef,
  type Local,
  type ModuleBuilder,
} from "../../wasm/emitter.ts";
import { i32, type Body, type I32 } from "../../wasm/instructions.ts";

/** Runs `body` for every `passValues` values of [from, to), with the index of the first; the last pass may reach beyond. */
export function forPasses(
  f: FunctionBuilder,
  from: I32,
  to: I32,
  passValues: number,
  body: (first: Local<"i32">) => Body,
): Body {
  const first = f.local("i32");
  return forRange(first, from, to, passValues, body(first));
}

/** An address per value: elements of `elementBytes` bytes, a power of two. */
export function addressOf(value: I32, elementBytes: number): I32 {
  return i32.shl(value, Math.log2(elementBytes));
}

/** A function (count) over the block's first values, `passValues` at a time; `body` gets the index of the first. */
export function blockKernel(
  name: string,
  passValues: number,
  body: (f: FunctionBuilder, first: Local<"i32">) => { readonly before?: Body; readonly pass: Body },
): (module: ModuleBuilder) => FunctionRef {
  return (module) =>
    module.func(name, ["count"], (p, f) => {
      const first = f.local("i32");
      const { before = [], pass } = body(f, first);
      return [before, forRange(first, 0, p.count, passValues, pass)];
    });
}
