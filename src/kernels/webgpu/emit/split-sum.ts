// Few results of many terms each: the terms are cut into parts, by the extents alone. One pass sums the terms of every
// part, and a second one adds up the parts.

import type { Binding, WebGpuRoutine, WebGpuTarget } from "../kernel.ts";
import type { Channels } from "./channels.ts";
import { elementType } from "./elements.ts";
import { flatPass } from "./flat.ts";
import { columnSums, columnWidth } from "./sums.ts";

/** Invocations that fill half of a large GPU: 132 multiprocessors of 2,048 each. */
const WANTED_INVOCATIONS = 1 << 17;

export interface SplitSum {
  /** The results: a vector of so many units. */
  readonly results: Channels;
  /** Of each result. */
  readonly terms: number;
  readonly inputs: Readonly<Record<string, Binding>>;
  /** Statements that add to `sum` the terms `begin` up to `end` of the result `unit`; all three are u32. */
  readonly addTerms: string;
}

/** One invocation for each result and part. Output 0 has the results. */
export function splitSum(
  { results, terms, inputs, addTerms }: SplitSum,
  target: WebGpuTarget,
): WebGpuRoutine {
  const { units, type, width } = results;
  const parts = Math.min(terms, Math.max(1, Math.floor(WANTED_INVOCATIONS / units)));
  const perPart = Math.ceil(terms / parts);
  const partial = flatPass({
    count: units * parts,
    bindings: {
      ...inputs,
      result: { of: parts === 1 ? { output: 0 } : { scratch: "parts", write: true }, type },
    },
    body: `let unit = i % ${units}u;
  let begin = min(i / ${units}u * ${perPart}u, ${terms}u);
  let end = min(begin + ${perPart}u, ${terms}u);
  var sum = ${type}();
  ${addTerms}
  $result[i] = sum;`,
  });
  if (parts === 1) return { passes: [partial] };
  const { passes, scratch } = sumOfParts(units * width, parts, target);
  return { passes: [partial, ...passes], scratch: { ...scratch, parts: parts * units * width } };
}

/** Adds up the scratch `parts`[parts, elements] to output 0, which has so many elements. */
export function sumOfParts(elements: number, parts: number, target: WebGpuTarget): WebGpuRoutine {
  const type = elementType(columnWidth(elements));
  return columnSums(
    {
      rows: parts,
      columns: elements,
      bindings: { parts: { of: { scratch: "parts" }, type } },
      terms: ["$parts[i]"],
      resultBindings: { result: { of: { output: 0 }, type } },
      results: "$result[c] = sum0;",
    },
    target,
  );
}
