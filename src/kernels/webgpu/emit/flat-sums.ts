// Sums over all elements of vectors, as sums.ts takes those over rows: each workgroup sums a stretch, and where there are
// several a second pass adds them.

import { assert } from "../../../errors.ts";
import type { Binding, WebGpuPass, WebGpuRoutine, WebGpuTarget } from "../kernel.ts";
import { horizontalSum } from "./elements.ts";
import { powerOfTwo, reduceDirective, reduceFunction, sumOf } from "./reduce.ts";
import { pickNamed, type Terms } from "./sums.ts";

const MOST_WORKGROUP = 256;
const LEAST_WORKGROUP = 64;
/** Vec4s that an invocation adds before another workgroup is better. */
const UNITS_PER_LANE = 16;
/** Of few, so that the workgroup is smaller. */
const UNITS_OF_FEW = 4;
/** About four for each multiprocessor of a large GPU. */
const MOST_STRETCHES = 512;

export interface FlatSums extends Terms {
  readonly elements: number;
  /** Statements before the terms of vec4 `i`. */
  readonly perElement?: string;
}

/**
 * Terms are vec4f, of which those beyond the end do not count; sums, two at most, are f32. `results` runs once. Needs the
 * scratch that it returns under the name `partials`.
 */
export function flatSums(sums: FlatSums, target: WebGpuTarget): WebGpuRoutine {
  const { elements, bindings, resultBindings, terms, results, module } = sums;
  const units = Math.ceil(elements / 4);
  const stretches = Math.min(MOST_STRETCHES, Math.ceil(units / (MOST_WORKGROUP * UNITS_PER_LANE)));
  if (stretches === 1) return { passes: [sumPass(sums, stretches, target)] };

  // One stretch of partial sums behind the other, each of whole vec4s.
  const stride = Math.ceil(stretches / 4) * 4;
  const partials = (write: boolean): Binding =>
    write
      ? { of: { scratch: "partials", write }, type: "f32" }
      : { of: { scratch: "partials" }, type: "vec4f" };
  const first: FlatSums = {
    ...sums,
    resultBindings: { partials: partials(true) },
    results: terms.map((_, k) => `$partials[${k * stride}u + stretch] = sum${k};`).join(" "),
  };
  const second: FlatSums = {
    elements: stretches,
    bindings: { partials: partials(false) },
    resultBindings: { ...pickNamed(bindings, results), ...resultBindings },
    terms: terms.map((_, k) => `$partials[${(k * stride) / 4}u + i]`),
    results,
    ...(module !== undefined && { module }),
  };
  return {
    passes: [sumPass(first, stretches, target), sumPass(second, 1, target)],
    scratch: { partials: terms.length * stride },
  };
}

function sumPass(sums: FlatSums, stretches: number, target: WebGpuTarget): WebGpuPass {
  const { elements, bindings, resultBindings, terms, results, module = "", perElement = "" } = sums;
  assert(terms.length <= 2, `flatSums of ${terms.length} terms`);
  const units = Math.ceil(elements / 4);
  const length = Math.ceil(units / stretches);
  const workgroup = Math.min(MOST_WORKGROUP, Math.max(LEAST_WORKGROUP, powerOfTwo(length / UNITS_OF_FEW)));
  const type = terms.length === 1 ? "f32" : "vec2f";
  const kept = `let kept = 4u * vec4u(i) + vec4u(0u, 1u, 2u, 3u) < vec4u(${elements}u);`;
  const added = (term: string): string => (elements % 4 === 0 ? term : `select(vec4f(), ${term}, kept)`);
  const add = reduceFunction(
    { name: "add_lanes", type, combine: sumOf },
    { lanes: workgroup, workgroup },
    target,
  );
  return {
    wgsl: `${reduceDirective(target)}${add}${module}
@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) thread: u32) {
  let stretch = id.x;
  let end = min((stretch + 1u) * ${length}u, ${units}u);
  ${terms.map((_, k) => `var part${k} = vec4f();`).join(" ")}
  for (var i = stretch * ${length}u + thread; i < end; i += ${workgroup}u) {
    ${perElement}
    ${elements % 4 === 0 ? "" : kept}
    ${terms.map((term, k) => `part${k} += ${added(term)};`).join(" ")}
  }
  let all = add_lanes(${type}(${terms.map((_, k) => horizontalSum(`part${k}`, 4)).join(", ")}), thread);
  ${terms.map((_, k) => `let sum${k} = ${type === "f32" ? "all" : `all[${k}]`};`).join(" ")}
  if (thread == 0u) {
    ${results}
  }
}`,
    bindings: { ...bindings, ...resultBindings },
    workgroups: [stretches, 1, 1],
  };
}
