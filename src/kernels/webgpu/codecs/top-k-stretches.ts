// How the elements of a top-k are dealt out to workgroups, and what its passes share.

import type { Binding, WebGpuPass } from "../kernel.ts";

export const WORKGROUP = 256;
/** Neighbours that an invocation has of a tile: what a workgroup compacts at a time. */
export const LANE_ELEMENTS = 4;
export const TILE = WORKGROUP * LANE_ELEMENTS;
/** A stretch is a workgroup's share of the elements: so many workgroups are enough for a large GPU. */
const WANTED_STRETCHES = 256;
const LEAST_STRETCH = 4 * TILE;
/** Indices are told apart by 16 bits within as many elements. */
export const INDEX_RANGE = 2 ** 16;

export interface Division {
  readonly elements: number;
  readonly kept: number;
  /** Elements of each but the last: a power of two up to INDEX_RANGE. */
  readonly stretch: number;
  readonly stretches: number;
}

export function divide(elements: number, kept: number): Division {
  let stretch = LEAST_STRETCH;
  while (stretch < INDEX_RANGE && stretch * WANTED_STRETCHES < elements) stretch *= 2;
  return { elements, kept, stretch, stretches: Math.ceil(elements / stretch) };
}

export const scratch = (name: string, write = false): Binding => ({
  of: write ? { scratch: name, write } : { scratch: name },
  type: "u32",
});

export const values: Binding = { of: { output: 1 }, type: "u32" };

/** `body` runs in one workgroup for each stretch, [begin, end), or in one alone. */
export function pass(
  { elements, stretch, stretches }: Division,
  bindings: WebGpuPass["bindings"],
  { module = "", body, alone = false }: { module?: string; body: string; alone?: boolean },
): WebGpuPass {
  return {
    wgsl: `const WORKGROUP = ${WORKGROUP}u;
${module}
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) thread: u32) {
  let stretch = id.x;
  let begin = stretch * ${stretch}u;
  let end = min(begin + ${stretch}u, ${elements}u);
  ${body}
}`,
    bindings,
    workgroups: [alone ? 1 : stretches, 1, 1],
  };
}

/** `scan(value, thread) -> vec2u`: the sum of what invocations before this one have, and of all. */
export const SCAN = `var<workgroup> scanned: array<u32, WORKGROUP>;
var<workgroup> rows: array<u32, 16>;
fn scan(value: u32, thread: u32) -> vec2u {
  scanned[thread] = value;
  workgroupBarrier();
  if (thread < 16u) {
    var sum = 0u;
    for (var j = 0u; j < 16u; j++) { sum += scanned[thread * 16u + j]; }
    rows[thread] = sum;
  }
  workgroupBarrier();
  var before = 0u;
  var total = 0u;
  for (var row = 0u; row < 16u; row++) {
    if (row == thread / 16u) { before = total; }
    total += rows[row];
  }
  for (var j = thread & ~15u; j < thread; j++) { before += scanned[j]; }
  workgroupBarrier();
  return vec2u(before, total);
}
`;
