// The sum of a vector's squares in two phases: groups of elements each leave a sum in `shared`, then these are added in
// double precision, in order. The groups follow from the length alone.

import type { KernelCall } from "../../kernel.ts";
import { sumOfSquares } from "../../ops/sum-of-squares.ts";
import { elementCount } from "../../tensor.ts";
import { forRange, increase, when } from "../../../wasm/emitter.ts";
import { f32, f32x4, f64, i32, v128, type Body } from "../../../wasm/instructions.ts";
import type { WasmKernel } from "../kernel.ts";
import { FLOAT_BYTES } from "../../../wasm/lanes.ts";
import { rowSums } from "../../../wasm/rows.ts";

/** Sixteen chains of 256 squares each: few enough for f32. */
const GROUP_ELEMENTS = 4096;
const NAMES = ["begin", "end", "x", "y", "shared", "scratch"] as const;

export const sumOfSquaresKernel: WasmKernel = {
  name: "f32-sum-of-squares-wasm",
  op: sumOfSquares,
  accepts: () => true,
  emit(module, { inputs }: KernelCall) {
    const elements = elementCount(inputs[0]!);
    const groups = Math.ceil(elements / GROUP_ELEMENTS);
    const rest = elements % GROUP_ELEMENTS;

    const sums = module.func(`sums of squares ${elements}`, NAMES, (p, f) => {
      const { group, at } = f.named("i32", ["group", "at"]);
      const sum = f.local("v128");
      const sumOf = (length: number): Body =>
        rowSums(f, length, [at], [sum], (offset) => {
          const x = v128.load(at, offset);
          return { terms: [f32x4.mul(x, x)] };
        });
      return [
        at.set(i32.add(p.x, i32.mul(p.begin, GROUP_ELEMENTS * FLOAT_BYTES))),
        increase(p.shared, i32.mul(p.begin, FLOAT_BYTES)),
        forRange(group, p.begin, p.end, 1, [
          rest === 0
            ? sumOf(GROUP_ELEMENTS)
            : when(i32.eq(group, groups - 1), sumOf(rest), sumOf(GROUP_ELEMENTS)),
          f32.store(p.shared, f32x4.extractLane(sum, 0)),
          increase(p.shared, FLOAT_BYTES),
        ]),
      ];
    });
    const total = module.func(`total of ${groups}`, NAMES, (p, f) => {
      const group = f.local("i32");
      const sum = f.local("f64");
      return [
        forRange(group, 0, groups, 1, [
          sum.set(f64.add(sum, f64.promoteF32(f32.load(p.shared)))),
          increase(p.shared, FLOAT_BYTES),
        ]),
        f32.store(p.y, f32.demoteF64(sum)),
      ];
    });
    return {
      phases: [
        { func: sums, extent: groups, grain: 1 },
        { func: total, extent: 1, grain: 1 },
      ],
      sharedBytes: groups * FLOAT_BYTES,
      scratchBytes: 0,
    };
  },
};
