// Passes with one invocation for each unit of a flat range.

import type { Binding, WebGpuPass } from "../kernel.ts";

/** What any adapter runs. */
export const FLAT_WORKGROUP = 64;
const MOST_WORKGROUPS = 65_535;

export interface FlatPass {
  /** Units: elements, rows, windows, as the kernel likes. */
  readonly count: number;
  readonly bindings: Readonly<Record<string, Binding>>;
  /** Statements that compute unit `i` (u32), below `count`. */
  readonly body: string;
  /** Functions and constants of the module. */
  readonly module?: string;
}

/** One invocation for each unit. */
export function flatPass({ count, bindings, body, module = "" }: FlatPass): WebGpuPass {
  const workgroups = spreadWorkgroups(Math.ceil(count / FLAT_WORKGROUP));
  return {
    wgsl: `${module}
@compute @workgroup_size(${FLAT_WORKGROUP})
fn main(@builtin(global_invocation_id) invocation: vec3u) {
  let i = invocation.x + invocation.y * ${workgroups[0] * FLAT_WORKGROUP}u;
  if (i >= ${count}u) { return; }
  ${body}
}`,
    bindings,
    workgroups,
  };
}

/** That many workgroups, or a few more: those that do not fit along x go on along y, in rows of equal length. */
export function spreadWorkgroups(groups: number): readonly [x: number, y: number, z: number] {
  const y = Math.max(1, Math.ceil(groups / MOST_WORKGROUPS));
  return [Math.ceil(groups / y), y, 1];
}

/**
 * Statements that store `value` (an expression, vec4) as the `i`-th vec4 of `$name`, which has `elements` elements: where
 * fewer than four are left, only those. A tensor's padding is not its own: in a flat vector it stays zero.
 */
export function storeVec4(name: string, value: string, elements: number): string {
  const rest = elements % 4;
  if (rest === 0) return `$${name}[i] = ${value};`;
  const lanes = Array.from({ length: rest }, (_, lane) => `$${name}[i][${lane}] = value[${lane}];`);
  return `let value = ${value};
  if (i < ${Math.floor(elements / 4)}u) { $${name}[i] = value; } else { ${lanes.join(" ")} }`;
}
