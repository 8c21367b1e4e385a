// Products that are too narrow or too small for tiles: a row of a and four columns of b are multiplied by a team of
// invocations, each of which takes every so many k; the team's sums are then added in a fixed order.

import { gridOf } from "../emit/grid.ts";
import { powerOfTwo, reduceDirective, reduceFunction, sumOf } from "../emit/reduce.ts";
import type { WebGpuRoutine, WebGpuTarget } from "../kernel.ts";
import { finish, type GemmSpec } from "./gemm.ts";
import { matrixFour } from "./matrix.ts";

const WORKGROUP = 128;
/** Of k for each invocation of a team, at least: less is done sooner than it is added up. */
const LEAST_TERMS = 8;
const MOST_LANES = 64;
/** Neighbours that read neighbouring memory: 128 bytes at least. */
const ACROSS = 32;

export function dots(spec: GemmSpec, target: WebGpuTarget): WebGpuRoutine {
  const { m, n, k, transposeA, transposeB } = spec;
  const fours = Math.ceil(n / 4);
  // What lies side by side in memory goes to neighbours: k, or columns of b, or rows of a.
  const columnsFirst = !transposeB && fours >= Math.min(m, ACROSS);
  const rowsFirst = !columnsFirst && transposeA;
  const stride = columnsFirst || rowsFirst ? Math.min(ACROSS, powerOfTwo(columnsFirst ? fours : m)) : 1;
  const lanes = Math.min(MOST_LANES, WORKGROUP / stride, Math.max(4, powerOfTwo(k / LEAST_TERMS)));
  const teams = WORKGROUP / lanes;
  const units = m * fours;
  const grid = gridOf(Math.ceil(units / teams));
  const place =
    stride === 1
      ? { lane: `thread % ${lanes}u`, team: `thread / ${lanes}u` }
      : {
          lane: `thread / ${stride}u % ${lanes}u`,
          team: `thread % ${stride}u + thread / ${stride * lanes}u * ${stride}u`,
        };
  const add = reduceFunction(
    { name: "add_team", type: "vec4f", combine: sumOf },
    { lanes, stride, workgroup: WORKGROUP },
    target,
  );
  const end = finish(spec);
  const b = matrixFour("b", transposeB, { columns: n, k });
  return {
    passes: [
      {
        wgsl: `${reduceDirective(target)}${add}
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let lane = ${place.lane};
  let unit = (${grid.index("group")}) * ${teams}u + ${place.team};
  // All must meet where the team's sums are added: those beyond the last unit compute it once more.
  let within = min(unit, ${units - 1}u);
  let row = ${rowsFirst ? `within % ${m}u` : `within / ${fours}u`};
  let column = 4u * (${rowsFirst ? `within / ${m}u` : `within % ${fours}u`});
  var part = vec4f();
  for (var k = lane; k < ${k}u; k += ${lanes}u) {
    part = fma(vec4f($a[${transposeA ? `k * ${m}u + row` : `row * ${k}u + k`}]), ${b.load}, part);
  }
  let sums = add_team(part, thread);
  if (lane == 0u && unit < ${units}u) {
    ${end.statements}
  }
}`,
        bindings: {
          a: { of: { input: 0 }, type: "f32" },
          b: { of: { input: 1 }, type: b.type },
          ...end.bindings,
        },
        workgroups: [grid.x, grid.y, 1],
      },
    ],
  };
}
