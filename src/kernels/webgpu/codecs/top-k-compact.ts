// What a top-k keeps, one after the other, by prefix sums over stretches and tiles.

import type { WebGpuPass } from "../kernel.ts";
import {
  type Division,
  INDEX_RANGE,
  LANE_ELEMENTS,
  pass,
  SCAN,
  scratch,
  TILE,
  values,
} from "./top-k-stretches.ts";

/** They write the words, and take what is kept from the values. */
export function compactPasses(division: Division): WebGpuPass[] {
  return [countKept(division), placeStretches(division), compact(division)];
}

/** Of a stretch: how many magnitudes are above the k-th, and in the upper half of the counter how many equal it. */
const TALLY = `fn tally(value: u32, kth: u32) -> u32 {
  let magnitude = value & 0x7fffffffu;
  return select(0u, 1u, magnitude > kth) + select(0u, 0x10000u, magnitude == kth);
}
`;

/** Each invocation's counts are below 2^16: it has at most INDEX_RANGE / WORKGROUP elements. */
function countKept(division: Division): WebGpuPass {
  return pass(
    division,
    { values, chosen: scratch("chosen"), counts: scratch("counts", true) },
    {
      module: `${SCAN}${TALLY}`,
      body: `var mine = 0u;
  let kth = $chosen[0];
  for (var i = begin + thread; i < end; i += WORKGROUP) { mine += tally($values[i], kth); }
  let larger = scan(mine & 0xffffu, thread).y;
  let equal = scan(mine >> 16u, thread).y;
  if (thread == 0u) {
    $counts[2u * stretch] = larger;
    $counts[2u * stretch + 1u] = equal;
  }`,
    },
  );
}

/** Counts become those of all stretches before. */
function placeStretches(division: Division): WebGpuPass {
  const { stretches } = division;
  return pass(
    division,
    { counts: scratch("counts", true) },
    {
      alone: true,
      module: SCAN,
      body: `var larger = 0u;
  var equal = 0u;
  for (var first = 0u; first < ${stretches}u; first += WORKGROUP) {
    let at = 2u * (first + thread);
    let present = first + thread < ${stretches}u;
    let ownLarger = scan(select(0u, $counts[min(at, ${2 * stretches - 2}u)], present), thread);
    let ownEqual = scan(select(0u, $counts[min(at + 1u, ${2 * stretches - 1}u)], present), thread);
    if (present) {
      $counts[at] = larger + ownLarger.x;
      $counts[at + 1u] = equal + ownEqual.x;
    }
    larger += ownLarger.y;
    equal += ownEqual.y;
  }`,
    },
  );
}

/** Writes what is kept in the order of its indices, and takes it from the values. */
function compact(division: Division): WebGpuPass {
  const { elements, stretch, stretches, kept } = division;
  const ranges = Math.ceil(elements / INDEX_RANGE);
  const perRange = INDEX_RANGE / stretch;
  return pass(
    division,
    {
      values,
      chosen: scratch("chosen"),
      counts: scratch("counts"),
      words: { of: { output: 0 }, type: "u32" },
    },
    {
      module: `${SCAN}${TALLY}fn bf16(value: u32) -> u32 {
  if ((value & 0x7fffffffu) > 0x7f800000u) { return (value | 0x400000u) & 0xffff0000u; }
  return (value + 0x7fffu + ((value >> 16u) & 1u)) & 0xffff0000u;
}
// Of numbers that are none, as IEEE 754 has it; of others the difference is exact.
fn left_of(value: u32, rounded: u32) -> u32 {
  if ((rounded & 0x7f800000u) != 0x7f800000u) {
    return bitcast<u32>(bitcast<f32>(value) - bitcast<f32>(rounded));
  }
  return select(0x7fc00000u, rounded ^ 0x80000000u, (value & 0x7f800000u) != 0x7f800000u);
}`,
      body: `let kth = $chosen[0];
  let ties = $chosen[1];
  var larger = $counts[2u * stretch];
  var equal = $counts[2u * stretch + 1u];
  if (thread == 0u && stretch % ${perRange}u == 0u) {
    let next = stretch + ${perRange}u;
    var place = ${kept}u;
    if (next < ${stretches}u) { place = $counts[2u * next] + min($counts[2u * next + 1u], ties); }
    $words[stretch / ${perRange}u] = place - larger - min(equal, ties);
  }
  for (var tile = begin; tile < end; tile += ${TILE}u) {
    let first = tile + thread * ${LANE_ELEMENTS}u;
    let last = min(first + ${LANE_ELEMENTS}u, end);
    var mine = 0u;
    for (var i = first; i < last; i++) { mine += tally($values[i], kth); }
    let sums = scan(mine, thread);
    var ownLarger = larger + (sums.x & 0xffffu);
    var ownEqual = equal + (sums.x >> 16u);
    for (var i = first; i < last; i++) {
      let value = $values[i];
      let magnitude = value & 0x7fffffffu;
      if (magnitude > kth || (magnitude == kth && ownEqual < ties)) {
        let rounded = bf16(value);
        $words[${ranges}u + ownLarger + min(ownEqual, ties)] = rounded | (i & 0xffffu);
        $values[i] = left_of(value, rounded);
      }
      if (magnitude > kth) { ownLarger++; }
      if (magnitude == kth) { ownEqual++; }
    }
    larger += sums.y & 0xffffu;
    equal += sums.y >> 16u;
  }`,
    },
  );
}
