// Reductions within a workgroup. Every invocation gets the result, and all of a team get equal bits: values are combined in
// an order that follows from the numbers of invocations and the target alone. With subgroups of one known width by shuffles
// across them first (`subgroupAdd` would leave the order to the driver), then, and without subgroups, through workgroup
// memory: sixteen values at a time, so that 256 invocations meet at four barriers rather than sixteen. A subgroup is taken
// to have neighbouring invocations in their order, as all Vulkan drivers deal out workgroups of one dimension.

import { assert } from "../../../errors.ts";
import type { WebGpuTarget } from "../kernel.ts";

export interface Reduction {
  /** Of the WGSL function `name(value: type, thread: u32) -> type`, thread being the `local_invocation_index`. */
  readonly name: string;
  readonly type: "f32" | "u32" | "vec2f" | "vec4f";
  /** Expression of two values: commutative, and associative but for rounding. */
  readonly combine: (a: string, b: string) => string;
}

export const sumOf = (a: string, b: string): string => `${a} + ${b}`;
export const maximumOf = (a: string, b: string): string => `max(${a}, ${b})`;

/**
 * Who is reduced together: invocations `stride` apart, `lanes` of them, so that with a stride of 1 neighbours form a team,
 * and with one of 32 each of 32 neighbours is of another team. All three are powers of two.
 */
export interface Team {
  readonly lanes: number;
  readonly stride?: number;
  /** Invocations of the workgroup. */
  readonly workgroup: number;
}

/** Values that an invocation combines between two barriers: bits of its index. */
const EXCHANGED_BITS = 4;

/** Stands at the head of a module that reduces. */
export function reduceDirective({ subgroupSize }: Pick<WebGpuTarget, "subgroupSize">): string {
  return subgroupSize === undefined ? "" : "enable subgroups;\n";
}

/** The function; it may only be called where the whole workgroup calls it. */
export function reduceFunction(
  { name, type, combine }: Reduction,
  { lanes, stride = 1, workgroup }: Team,
  { subgroupSize = 1 }: Pick<WebGpuTarget, "subgroupSize">,
): string {
  const [low, high] = [Math.log2(stride), Math.log2(stride * lanes)];
  assert(Number.isInteger(low) && Number.isInteger(high), `${name}: ${lanes} lanes, ${stride} apart`);
  const shuffled = Math.max(low, Math.min(high, Math.log2(subgroupSize), Math.log2(workgroup)));
  const shuffles = bitRange(low, shuffled).map(
    (bit) => `  value = ${name}_pair(value, subgroupShuffleXor(value, ${2 ** bit}u));\n`,
  );
  const exchanges: string[] = [];
  for (let bit = shuffled; bit < high; bit += EXCHANGED_BITS) {
    const count = Math.min(EXCHANGED_BITS, high - bit);
    const others = 2 ** bit * (2 ** count - 1);
    const values = Array.from({ length: 2 ** count }, (_, k) => `${name}_memory[first + ${k * 2 ** bit}u]`);
    exchanges.push(`  ${name}_memory[thread] = value;
  workgroupBarrier();
  first = thread & ~${others}u;
  value = ${pairwise(values, (a, b) => `${name}_pair(${a}, ${b})`)};
  workgroupBarrier();
`);
  }
  const memory = `var<workgroup> ${name}_memory: array<${type}, ${workgroup}>;\n`;
  return `fn ${name}_pair(a: ${type}, b: ${type}) -> ${type} { return ${combine("a", "b")}; }
${exchanges.length > 0 ? memory : ""}fn ${name}(mine: ${type}, thread: u32) -> ${type} {
  var value = mine;
${shuffles.join("")}${exchanges.length > 0 ? "  var first = 0u;\n" : ""}${exchanges.join("")}  return value;
}
`;
}

function bitRange(low: number, high: number): readonly number[] {
  return Array.from({ length: high - low }, (_, i) => low + i);
}

/** A balanced tree over the expressions: rounding errors grow with its height only. */
export function pairwise(values: readonly string[], combine: (a: string, b: string) => string): string {
  if (values.length === 1) return values[0]!;
  const half = values.length / 2;
  return combine(pairwise(values.slice(0, half), combine), pairwise(values.slice(half), combine));
}

/** The least power of two that is not below `value`, at least 1. */
export function powerOfTwo(value: number): number {
  return 2 ** Math.max(0, Math.ceil(Math.log2(value)));
}
