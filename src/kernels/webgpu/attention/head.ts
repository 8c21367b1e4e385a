// What attention's passes share. A workgroup has a stretch of one head's rows (queries or keys), an invocation for each unit
// of each, and goes over the rows of the other side in tiles: first the weights of all pairs, then what they add to the
// invocation's own unit. Every sum is one invocation's own, in the order of positions: no atomics, and equal bits run after
// run. (An invocation a row, with its vectors in registers, takes drivers ten seconds to compile.)

import type { AttentionExtents } from "../../ops/causal-attention.ts";
import { elementType, horizontalSum, type Width } from "../emit/elements.ts";
import { spreadWorkgroups } from "../emit/flat.ts";
import { columnWidth } from "../emit/sums.ts";
import type { WebGpuPass } from "../kernel.ts";

const MOST_ROWS = 16;
const MOST_OTHERS = 16;
const MOST_WORKGROUP = 256;
/** What every adapter has, so that all sum alike. */
const WORKGROUP_BYTES = 16_384;
/** Below every score: no exponential of it is left. */
export const LEAST_FLOAT = "-0x1.fffffep+127f";
/** Four rows of so many floats on either side fit into that. */
export const MOST_HEAD_WIDTH = 256;

export interface HeadUnits extends AttentionExtents {
  readonly type: "f32" | "vec4f";
  readonly elementsOfUnit: Width;
  /** Of a head's row. */
  readonly units: number;
  /** Of a row of qkv and of y. */
  readonly qkvUnits: number;
  readonly yUnits: number;
}

export function headUnits(extents: AttentionExtents): HeadUnits {
  const elementsOfUnit = columnWidth(extents.headWidth);
  return {
    ...extents,
    type: elementType(elementsOfUnit),
    elementsOfUnit,
    units: extents.headWidth / elementsOfUnit,
    qkvUnits: (3 * extents.width) / elementsOfUnit,
    yUnits: extents.width / elementsOfUnit,
  };
}

/** Offset of unit `c` of the head's q, k or v at a position. */
export function qkvUnit({ qkvUnits, yUnits }: HeadUnits, part: 0 | 1 | 2, position: string): string {
  return `qkv + ${position} * ${qkvUnits}u + ${part * yUnits}u + c`;
}

/** Offset of unit `c` of the head's y at a position. */
export function yUnit({ yUnits }: HeadUnits, position: string): string {
  return `y + ${position} * ${yUnits}u + c`;
}

/** Expression: a function's call that multiplies row `i` of the workgroup's own with row `j` of the tile. */
export function dotFunction(
  name: string,
  own: string,
  other: string,
  { type, units, elementsOfUnit }: HeadUnits,
): string {
  return `fn ${name}(i: u32, j: u32) -> f32 {
  var dots = ${type}();
  for (var c = 0u; c < ${units}u; c++) { dots += ${own}_own[i * ${units}u + c] * ${other}_tile[j * ${units}u + c]; }
  return ${horizontalSum("dots", elementsOfUnit)};
}
`;
}

export interface HeadPass {
  readonly bindings: WebGpuPass["bindings"];
  /** Functions of the module. */
  readonly module: string;
  /** By name: where unit `c` of an own row at `position` comes from, for `NAME_own`. */
  readonly own: Readonly<Record<string, string>>;
  /** By name: the same of the other side's rows, for `NAME_tile`. */
  readonly tiles: Readonly<Record<string, string>>;
  /** Names of arrays [ROWS, OTHERS] of weights. */
  readonly weights: readonly string[];
  /** The other side's rows: those up to the own row, or those from it on. */
  readonly others: "before" | "after";
  /** Statements before the first tile. They and all others see `row`, and the head's offsets `qkv`, `y` and `rows`. */
  readonly before: string;
  /** Statements for own row `i` at `mine` and other row `j` at `position`: they set weights at `e`; `seen` or not. */
  readonly pair: string;
  /** Statements over a tile's weights: `count` others from `first` on, `c` the invocation's unit, `r` its row. */
  readonly tile: string;
  /** Behind the last tile. */
  readonly after: string;
}

export function headPass(units: HeadUnits, pass: HeadPass): WebGpuPass {
  const { batch, heads, positions, headWidth } = units;
  const [own, tiles] = [Object.entries(pass.own), Object.entries(pass.tiles)];
  const rows = Math.min(MOST_ROWS, Math.floor(MOST_WORKGROUP / units.units), positions);
  const bytes = (others: number): number =>
    4 * (headWidth * (own.length * rows + tiles.length * others) + pass.weights.length * rows * others);
  let others = MOST_OTHERS;
  while (bytes(others) > WORKGROUP_BYTES) others /= 2;

  const threads = rows * units.units;
  const stretches = Math.ceil(positions / rows);
  const groups = batch * heads * stretches;
  const workgroups = spreadWorkgroups(groups);
  const isBefore = pass.others === "before";
  const memory = [
    ...own.map(([name]) => `var<workgroup> ${name}_own: array<${units.type}, ${rows * units.units}>;`),
    ...tiles.map(([name]) => `var<workgroup> ${name}_tile: array<${units.type}, ${others * units.units}>;`),
    ...pass.weights.map((name) => `var<workgroup> ${name}: array<f32, ${rows * others}>;`),
  ];
  return {
    wgsl: `const ROWS = ${rows}u;
const OTHERS = ${others}u;
const UNITS = ${units.units}u;
const THREADS = ${threads}u;
const POSITIONS = ${positions}u;
${memory.join("\n")}
${pass.module}
@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) thread: u32) {
  let group = id.x + id.y * ${workgroups[0]}u;
  if (group >= ${groups}u) { return; }
  let begin = (group % ${stretches}u) * ROWS;
  let unit = group / ${stretches}u;
  let sample = unit / ${heads}u;
  let head = (unit % ${heads}u) * UNITS;
  let qkv = sample * ${positions * units.qkvUnits}u + head;
  let y = sample * ${positions * units.yUnits}u + head;
  let rows = unit * POSITIONS;
  let r = thread / UNITS;
  let c = thread % UNITS;
  let row = min(begin + r, POSITIONS - 1u);
  {
    let position = row;
    ${own.map(([name, source]) => `${name}_own[thread] = ${source};`).join("\n    ")}
  }
  ${pass.before}
  let end = ${isBefore ? "min(begin + ROWS, POSITIONS)" : "POSITIONS"};
  for (var first = ${isBefore ? "0u" : "begin"}; first < end; first += OTHERS) {
    // Bounds that are no constants: compilers would write the loops out, which takes them seconds.
    let count = min(OTHERS, end - first);
    for (var i = thread; i < count * UNITS; i += THREADS) {
      let position = first + i / UNITS;
      let c = i % UNITS;
      ${tiles.map(([name, source]) => `${name}_tile[i] = ${source};`).join("\n      ")}
    }
    workgroupBarrier();
    for (var pair = thread; pair < ROWS * count; pair += THREADS) {
      let i = pair / count;
      let j = pair % count;
      let e = i * OTHERS + j;
      let mine = min(begin + i, POSITIONS - 1u);
      let position = first + j;
      let seen = position ${isBefore ? "<=" : ">="} mine;
      ${pass.pair}
    }
    workgroupBarrier();
    ${pass.tile}
    workgroupBarrier();
  }
  if (begin + r < POSITIONS) {
    ${pass.after}
  }
}`,
    bindings: pass.bindings,
    workgroups,
  };
}
