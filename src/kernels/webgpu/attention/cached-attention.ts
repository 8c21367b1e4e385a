// Attention at one position: a workgroup for each head goes over the earlier keys in tiles, with an online softmax as in
// causal-attention.ts. An invocation has a key of the tile, then a unit of the sum of values.

import type { KernelCall } from "../../kernel.ts";
import type { CausalAttentionParams } from "../../ops/causal-attention.ts";
import { cachedAttention, cachedAttentionExtents } from "../../ops/cached-attention.ts";
import { horizontalSum } from "../emit/elements.ts";
import { spreadWorkgroups } from "../emit/flat.ts";
import { mathFunctions } from "../emit/math.ts";
import type { WebGpuKernel } from "../kernel.ts";
import { headUnits, LEAST_FLOAT, MOST_HEAD_WIDTH } from "./head.ts";

const LEAST_KEYS = 64;

export const cachedAttentionKernel: WebGpuKernel = {
  name: "f32-cached-attention-webgpu",
  op: cachedAttention,
  accepts: ({ inputs, params }) =>
    cachedAttentionExtents(inputs, params as CausalAttentionParams).headWidth <= MOST_HEAD_WIDTH,
  build({ inputs, params }: KernelCall) {
    const extents = cachedAttentionExtents(inputs, params as CausalAttentionParams);
    const { type, elementsOfUnit, units, qkvUnits, yUnits, batch, heads, positions, headWidth } =
      headUnits(extents);
    const keys = Math.max(LEAST_KEYS, units);
    const groups = batch * heads;
    const workgroups = spreadWorkgroups(groups);
    const wgsl = `const UNITS = ${units}u;
const KEYS = ${keys}u;
var<workgroup> q: array<${type}, ${units}>;
var<workgroup> weights: array<f32, ${keys}>;
var<workgroup> position: u32;
${mathFunctions(["exp"], 1)}
/** Unit \`at\` of row \`j\` of the sample: of the past, or behind its \`seen\` rows its own. */
fn row_unit(sample: u32, seen: u32, j: u32, at: u32) -> ${type} {
  if (j < seen) { return $past[(sample * ${positions}u + j) * ${qkvUnits}u + at]; }
  return $qkv[sample * ${qkvUnits}u + at];
}
@compute @workgroup_size(${keys})
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) thread: u32) {
  let group = id.x + id.y * ${workgroups[0]}u;
  if (group >= ${groups}u) { return; }
  let sample = group / ${heads}u;
  let head = (group % ${heads}u) * UNITS;
  if (thread == 0u) { position = min(u32($positions[sample]), ${positions}u); }
  if (thread < UNITS) { q[thread] = $qkv[sample * ${qkvUnits}u + head + thread]; }
  let seen = workgroupUniformLoad(&position);
  let c = min(thread, UNITS - 1u);
  var largest = ${LEAST_FLOAT};
  var total = 0.0;
  var sums = ${type}();
  for (var first = 0u; first <= seen; first += KEYS) {
    let count = min(KEYS, seen + 1u - first);
    var score = ${LEAST_FLOAT};
    if (thread < count) {
      var dots = ${type}();
      for (var u = 0u; u < UNITS; u++) { dots += q[u] * row_unit(sample, seen, first + thread, ${yUnits}u + head + u); }
      score = ${horizontalSum("dots", elementsOfUnit)} * ${1 / Math.sqrt(headWidth)};
    }
    weights[thread] = score;
    workgroupBarrier();
    let before = largest;
    for (var j = 0u; j < count; j++) { largest = max(largest, weights[j]); }
    let shrink = exp_of(before - largest);
    total *= shrink;
    sums *= shrink;
    workgroupBarrier();
    weights[thread] = exp_of(score - largest);
    workgroupBarrier();
    for (var j = 0u; j < count; j++) {
      total += weights[j];
      sums += weights[j] * row_unit(sample, seen, first + j, ${2 * yUnits}u + head + c);
    }
    workgroupBarrier();
  }
  if (thread < UNITS) { $y[sample * ${yUnits}u + head + thread] = sums / total; }
}`;
    const pass = {
      wgsl,
      bindings: {
        qkv: { of: { input: 0 }, type },
        past: { of: { input: 1 }, type },
        positions: { of: { input: 2 }, type: "i32" },
        y: { of: { output: 0 }, type },
      },
      workgroups,
    } as const;
    return { passes: [pass] };
  },
};
