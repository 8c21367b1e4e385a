// Layer normalisation, a team of invocations to each row: the mean first, then the deviations from it. Rows are read three
// times, of which all but the first come from the cache.

import type { KernelCall } from "../../kernel.ts";
import { columnsOf, rowsOf } from "../../ops/concat.ts";
import { layerNorm, layerNormGrad, type LayerNormParams } from "../../ops/layer-norm.ts";
import { channelsOf } from "../emit/channels.ts";
import { horizontalSum } from "../emit/elements.ts";
import { sumOf, type Reduction } from "../emit/reduce.ts";
import { rowPass, rowTeams } from "../emit/rows.ts";
import { columnSums } from "../emit/sums.ts";
import type { Binding, WebGpuKernel } from "../kernel.ts";
import { BEFORE_ACTIVATION } from "./affine.ts";

const addRow: Reduction = { name: "add_row", type: "f32", combine: sumOf };

/** Statements over the units `c` of the team's row; `visit` sees the index `i` as well. */
function overRow(units: number, visit: string): string {
  return `for (var c = lane; c < ${units}u; c += LANES) {
      let i = row * ${units}u + c;
      ${visit}
    }`;
}

export const layerNormKernel: WebGpuKernel = {
  name: "f32-layer-norm-webgpu",
  op: layerNorm,
  accepts: () => true,
  build({ inputs, params }: KernelCall, target) {
    const { epsilon } = params as LayerNormParams;
    const C = columnsOf(inputs[0]!);
    const { type, units, width } = channelsOf(C);
    const pass = rowPass(
      {
        teams: rowTeams(rowsOf(inputs[0]!), units),
        bindings: {
          x: { of: { input: 0 }, type },
          gamma: { of: { input: 1 }, type },
          beta: { of: { input: 2 }, type },
          y: { of: { output: 0 }, type },
          mean: { of: { output: 1 }, type: "f32" },
          rstd: { of: { output: 2 }, type: "f32" },
        },
        reductions: [addRow],
        row: `var sum = ${type}();
    ${overRow(units, "sum += $x[i];")}
    let mean = add_row(${horizontalSum("sum", width)}, thread) / ${C};
    var squares = ${type}();
    ${overRow(units, "let d = $x[i] - mean; squares += d * d;")}
    let rstd = inverseSqrt(add_row(${horizontalSum("squares", width)}, thread) / ${C} + ${epsilon});
    if (present) {
      ${overRow(units, `let x = $x[i]; let gamma = $gamma[c]; let beta = $beta[c]; $y[i] = ${BEFORE_ACTIVATION};`)}
      if (lane == 0u) { $mean[row] = mean; $rstd[row] = rstd; }
    }`,
      },
      target,
    );
    return { passes: [pass] };
  },
};

/** Sums over the rows first: dx may take the place of what they are made of. */
export const layerNormGradKernel: WebGpuKernel = {
  name: "f32-layer-norm-grad-webgpu",
  op: layerNormGrad,
  accepts: () => true,
  build({ inputs }: KernelCall, target) {
    const rows = rowsOf(inputs[0]!);
    const C = columnsOf(inputs[0]!);
    const { type, units, width } = channelsOf(C);
    const operands: Readonly<Record<string, Binding>> = {
      x: { of: { input: 0 }, type },
      dy: { of: { input: 2 }, type },
      mean: { of: { input: 3 }, type: "f32" },
      rstd: { of: { input: 4 }, type: "f32" },
    };
    const z = "let z = ($x[i] - $mean[row]) * $rstd[row];";
    const sums = columnSums(
      {
        ...{ rows, columns: C, bindings: operands, perElement: z },
        terms: ["$dy[i] * z", "$dy[i]"],
        resultBindings: { dgamma: { of: { output: 1 }, type }, dbeta: { of: { output: 2 }, type } },
        results: "$dgamma[c] = sum0; $dbeta[c] = sum1;",
      },
      target,
    );
    const g = "let g = $dy[i] * $gamma[c];";
    const pass = rowPass(
      {
        teams: rowTeams(rows, units),
        bindings: {
          ...operands,
          gamma: { of: { input: 1 }, type },
          dx: { of: { output: 0 }, type },
        },
        reductions: [addRow],
        row: `var shifts = ${type}(); var slopes = ${type}();
    ${overRow(units, `${z} ${g} shifts += g; slopes += g * z;`)}
    let shift = add_row(${horizontalSum("shifts", width)}, thread) / ${C};
    let slope = add_row(${horizontalSum("slopes", width)}, thread) / ${C};
    if (present) {
      ${overRow(units, `${z} ${g} $dx[i] = $rstd[row] * (g - shift - z * slope);`)}
    }`,
      },
      target,
    );
    return { ...sums, passes: [...sums.passes, pass] };
  },
};
