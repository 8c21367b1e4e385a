// The second pass of sums that were split: it adds the parts of each element in their order, which shapes alone decide.

import type { Binding, WebGpuPass } from "../kernel.ts";
import { flatPass } from "./flat.ts";

export interface PartialSums {
  /** Elements of one part; parts lie one behind the other, at multiples of 4 elements. */
  readonly elements: number;
  readonly parts: number;
  readonly partials: Binding["of"];
  /** Statements that make of `sums`, elements 4 i up to 4 i + 3, what the op stores. */
  readonly finish: string;
  readonly bindings: WebGpuPass["bindings"];
}

/** Elements from part to part. */
export function partStride(elements: number): number {
  return Math.ceil(elements / 4) * 4;
}

export function partialSumsPass({ elements, parts, partials, finish, bindings }: PartialSums): WebGpuPass {
  const fours = partStride(elements) / 4;
  return flatPass({
    count: fours,
    bindings: { partials: { of: partials, type: "vec4f" }, ...bindings },
    body: `var sums = $partials[i];
  for (var part = 1u; part < ${parts}u; part++) { sums += $partials[i + part * ${fours}u]; }
  ${finish}`,
  });
}
