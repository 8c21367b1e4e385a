// The gradient of causal self-attention in three passes: dy y of all rows, then dq, then dk and dv. The last two make the
// probabilities again from the log-sum-exp.

import type { KernelCall } from "../../kernel.ts";
import {
  attentionExtents,
  causalAttentionGrad,
  type CausalAttentionParams,
} from "../../ops/causal-attention.ts";
import { horizontalSum } from "../emit/elements.ts";
import { flatPass } from "../emit/flat.ts";
import { mathFunctions } from "../emit/math.ts";
import type { Binding, WebGpuKernel, WebGpuPass } from "../kernel.ts";
import { dotFunction, headPass, headUnits, MOST_HEAD_WIDTH, qkvUnit, yUnit, type HeadUnits } from "./head.ts";

export const causalAttentionGradKernel: WebGpuKernel = {
  name: "f32-causal-attention-grad-webgpu",
  op: causalAttentionGrad,
  accepts: ({ inputs, params }) => extentsOf(inputs, params).headWidth <= MOST_HEAD_WIDTH,
  build({ inputs, params }: KernelCall) {
    const units = headUnits(extentsOf(inputs, params));
    const { type, headWidth, batch, heads, positions } = units;
    const bindings: Readonly<Record<string, Binding>> = {
      qkv: { of: { input: 0 }, type },
      logSumExp: { of: { input: 2 }, type: "f32" },
      dy: { of: { input: 3 }, type },
      deltas: { of: { scratch: "deltas" }, type: "f32" },
      dqkv: { of: { output: 0 }, type },
    };
    const part = (index: 0 | 1 | 2) => `$qkv[${qkvUnit(units, index, "position")}]`;
    const dy = `$dy[${yUnit(units, "position")}]`;
    const scale = 1 / Math.sqrt(headWidth);
    /** Statements: `p` and `ds` of own row `i` and other row `j`, by the query's position. */
    const differentiate = (query: string) => `var p = 0.0; var ds = 0.0;
      if (seen) {
        p = exp_of(score_of(i, j) * ${scale} - $logSumExp[rows + ${query}]);
        ds = p * (slope_of(i, j) - $deltas[rows + ${query}]) * ${scale};
      }`;
    const ofQueries = headPass(units, {
      bindings,
      module:
        mathFunctions(["exp"], 1) +
        dotFunction("score_of", "q", "k", units) +
        dotFunction("slope_of", "dy", "v", units),
      own: { q: part(0), dy },
      tiles: { k: part(1), v: part(2) },
      weights: ["slopes"],
      others: "before",
      before: `var dq = ${type}();`,
      pair: `${differentiate("mine")}
      slopes[e] = ds;`,
      tile: `for (var j = 0u; j < count; j++) { dq += slopes[r * OTHERS + j] * k_tile[j * UNITS + c]; }`,
      after: `$dqkv[${qkvUnit(units, 0, "row")}] = dq;`,
    });
    const ofKeys = headPass(units, {
      bindings,
      module:
        mathFunctions(["exp"], 1) +
        dotFunction("score_of", "k", "q", units) +
        dotFunction("slope_of", "v", "dy", units),
      own: { k: part(1), v: part(2) },
      tiles: { q: part(0), dy },
      weights: ["probabilities", "slopes"],
      others: "after",
      before: `var dk = ${type}();
  var dv = ${type}();`,
      pair: `${differentiate("position")}
      probabilities[e] = p;
      slopes[e] = ds;`,
      tile: `for (var j = 0u; j < count; j++) {
      dk += slopes[r * OTHERS + j] * q_tile[j * UNITS + c];
      dv += probabilities[r * OTHERS + j] * dy_tile[j * UNITS + c];
    }`,
      after: `$dqkv[${qkvUnit(units, 1, "row")}] = dk;
    $dqkv[${qkvUnit(units, 2, "row")}] = dv;`,
    });
    return {
      passes: [deltasPass(units), ofQueries, ofKeys],
      scratch: { deltas: batch * heads * positions },
    };
  },
};

/** deltas[B,heads,T] = dy y, row by row */
function deltasPass(units: HeadUnits): WebGpuPass {
  const { type, elementsOfUnit, batch, heads, positions, yUnits } = units;
  return flatPass({
    count: batch * heads * positions,
    bindings: {
      y: { of: { input: 1 }, type },
      dy: { of: { input: 3 }, type },
      deltas: { of: { scratch: "deltas", write: true }, type: "f32" },
    },
    body: `let position = i % ${positions}u;
  let unit = i / ${positions}u;
  let first = ((unit / ${heads}u) * ${positions}u + position) * ${yUnits}u + (unit % ${heads}u) * ${units.units}u;
  var products = ${type}();
  for (var c = 0u; c < ${units.units}u; c++) { products += $dy[first + c] * $y[first + c]; }
  $deltas[i] = ${horizontalSum("products", elementsOfUnit)};`,
  });
}

function extentsOf(inputs: KernelCall["inputs"], params: object) {
  return attentionExtents(causalAttentionGrad.name, inputs[0]!, params as CausalAttentionParams);
}
