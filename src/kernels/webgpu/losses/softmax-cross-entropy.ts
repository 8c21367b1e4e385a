// Softmax cross-entropy, its gradient, and both at once: a team of invocations a row. Of few rows one workgroup sums up the
// losses itself; of many each workgroup leaves what its rows have lost, and a second pass adds that up.

import type { KernelCall } from "../../kernel.ts";
import type { Op } from "../../op.ts";
import {
  softmaxCrossEntropy,
  softmaxCrossEntropyGrad,
  type SoftmaxCrossEntropyParams,
  softmaxCrossEntropyWithGrad,
} from "../../ops/losses.ts";
import { elementIndices, elementType, float, horizontalSum, type Width } from "../emit/elements.ts";
import { mathFunctions } from "../emit/math.ts";
import { sumOf } from "../emit/reduce.ts";
import { joinedRowTeams, rowPass, rowTeams } from "../emit/rows.ts";
import { flatSums } from "../emit/flat-sums.ts";
import type { Binding, WebGpuKernel, WebGpuRoutine, WebGpuTarget } from "../kernel.ts";
import { findMaximum, ROW_MAXIMUM, rowUnits } from "./softmax.ts";

type Result = "loss" | "correct" | "dLogits";

/** No class has this label: the loss must not look like one. Of a variable, for WGSL has no constant NaN. */
const NOT_A_NUMBER = "var<private> not_a_number = 0x7fc00000u;\n";

/** The sums over a row that all else is made of: of the exponentials, of maxima before the label, and of what logits lack of it. */
function rowSums(columns: number, smoothing: number): string {
  const { width, units } = rowUnits(columns);
  const type = elementType(width);
  const parts = ["exponentials", "earlier", ...(smoothing === 0 ? [] : ["shortfalls"])];
  return `${findMaximum("logits", columns)}
    let label = u32($labels[row]);
    var exponentials = ${type}();
    var earlier = ${type}();
    ${smoothing === 0 ? "" : `var shortfalls = ${type}();`}
    for (var c = lane; c < ${units}u; c += LANES) {
      let logit = $logits[first + c];
      exponentials += exp_of(logit - maximum);
      earlier += select(${type}(), ${type}(1.0), ${isEarlierMaximum(width)});
      ${smoothing === 0 ? "" : "shortfalls += maximum - logit;"}
    }
    let sums = row_sums(${sumsType(smoothing)}(${parts.map((name) => horizontalSum(name, width)).join(", ")}${smoothing === 0 ? "" : ", 0.0"}), thread);`;
}

function sumsType(smoothing: number): "vec2f" | "vec4f" {
  return smoothing === 0 ? "vec2f" : "vec4f";
}

function isEarlierMaximum(width: Width): string {
  const label = width === 4 ? "vec4u(label)" : "label";
  const maximum = width === 4 ? "vec4f(maximum)" : "maximum";
  return `(logit == ${maximum}) & (${elementIndices("c", width)} < ${label})`;
}

/** `maximum - logit` is exact where it is small: a sure answer's loss keeps its digits. */
function addLoss(columns: number, smoothing: number, weight: string | undefined): string {
  const { width } = rowUnits(columns);
  const at = `row * ${columns}u + label`;
  const chosen = width === 4 ? `$logits[(${at}) / 4u][(${at}) % 4u]` : `$logits[${at}]`;
  const shortfall =
    smoothing === 0
      ? "(maximum - chosen)"
      : `${float(1 - smoothing)} * (maximum - chosen) + ${float(smoothing / columns)} * sums.z`;
  const loss = `log_of(sums.x) + ${shortfall}`;
  return `if (present && lane == 0u) {
      if (label < ${columns}u) {
        let chosen = ${chosen};
        sum += vec2f(
          ${weight === undefined ? loss : `${weight} * (${loss})`},
          select(0.0, 1.0, chosen == maximum && sums.y == 0.0),
        );
      } else { sum.x = bitcast<f32>(not_a_number); }
    }`;
}

function storeGradient(columns: number, smoothing: number, dLoss: string): string {
  const { width, units } = rowUnits(columns);
  const type = elementType(width);
  const isLabel = `${elementIndices("c", width)} == ${width === 4 ? "vec4u(label)" : "label"}`;
  const [everywhere, ofLabel] =
    smoothing === 0
      ? [`${type}()`, `${type}(truth)`]
      : [
          `${type}(truth * ${float(smoothing / columns)})`,
          `${type}(truth * ${float(1 - smoothing + smoothing / columns)})`,
        ];
  return `let truth = ${dLoss};
    let scale = truth / sums.x;
    if (present) {
      for (var c = lane; c < ${units}u; c += LANES) {
        $dLogits[first + c] = exp_of($logits[first + c] - maximum) * scale
          - select(${everywhere}, ${ofLabel}, ${isLabel});
      }
    }`;
}

function crossEntropyKernel(op: Op<SoftmaxCrossEntropyParams>, results: readonly Result[]): WebGpuKernel {
  const [withLoss, withGrad] = [results.includes("loss"), results.includes("dLogits")];
  return {
    name: `f32-${op.name}-webgpu`,
    op,
    accepts: () => true,
    build({ inputs, params }: KernelCall<SoftmaxCrossEntropyParams>, target) {
      const { labelSmoothing: smoothing = 0 } = params;
      const [rows, columns] = inputs[0]!.shape as [number, number];
      const { width, units } = rowUnits(columns);
      const teams = withLoss ? joinedRowTeams(rows, units) : rowTeams(rows, units);
      const single = teams.workgroups === 1;
      const outputs = results.map((name, output): [string, Binding] => [
        name,
        { of: { output }, type: name === "dLogits" ? elementType(width) : "f32" },
      ]);
      const [sums, others] = [
        Object.fromEntries(outputs.filter(([name]) => name !== "dLogits")),
        Object.fromEntries(outputs.filter(([name]) => name === "dLogits")),
      ];
      const dLoss = op === softmaxCrossEntropyGrad;
      const weightsInput = dLoss ? 3 : 2;
      const weight = inputs.length > weightsInput ? "$weights[row]" : undefined;
      const seed = [dLoss ? "$dLoss[0]" : undefined, weight]
        .filter((factor) => factor !== undefined)
        .join(" * ");
      const pass = rowPass(
        {
          teams,
          bindings: {
            logits: { of: { input: 0 }, type: elementType(width) },
            labels: { of: { input: 1 }, type: "i32" },
            ...(dLoss && { dLoss: { of: { input: 2 }, type: "f32" } }),
            ...(weight !== undefined && { weights: { of: { input: weightsInput }, type: "f32" } }),
            ...others,
            ...(withLoss && (single ? sums : partialSums(true))),
          },
          reductions: [ROW_MAXIMUM, { name: "row_sums", type: sumsType(smoothing), combine: sumOf }],
          ...(withLoss && {
            workgroupReductions: [{ name: "workgroup_sums", type: "vec2f", combine: sumOf }],
            before: "var sum = vec2f();",
            after: storeSums(single),
          }),
          module: `${NOT_A_NUMBER}${mathFunctions(["exp"], width)}${mathFunctions(["log"], 1)}`,
          row: [
            rowSums(columns, smoothing),
            ...(withLoss ? [addLoss(columns, smoothing, weight)] : []),
            ...(withGrad ? [storeGradient(columns, smoothing, seed === "" ? "1.0" : seed)] : []),
          ].join("\n    "),
        },
        target,
      );
      if (!withLoss || single) return { passes: [pass] };
      const totals = totalsOf(teams.workgroups, sums, target);
      return {
        passes: [pass, ...totals.passes],
        scratch: { losses: teams.workgroups, hits: teams.workgroups, ...totals.scratch },
      };
    },
  };
}

function partialSums(write: boolean): Readonly<Record<"losses" | "hits", Binding>> {
  const binding = (scratch: string): Binding =>
    write ? { of: { scratch, write }, type: "f32" } : { of: { scratch }, type: "vec4f" };
  return { losses: binding("losses"), hits: binding("hits") };
}

function storeSums(single: boolean): string {
  const stores = single
    ? "$loss[0] = all.x; $correct[0] = all.y;"
    : "$losses[group] = all.x; $hits[group] = all.y;";
  return `let all = workgroup_sums(sum, thread);
  if (thread == 0u) { ${stores} }`;
}

function totalsOf(
  groups: number,
  resultBindings: Readonly<Record<string, Binding>>,
  target: WebGpuTarget,
): WebGpuRoutine {
  return flatSums(
    {
      elements: groups,
      bindings: partialSums(false),
      terms: ["$losses[i]", "$hits[i]"],
      resultBindings,
      results: "$loss[0] = sum0; $correct[0] = sum1;",
    },
    target,
  );
}

export const softmaxCrossEntropyKernels: readonly WebGpuKernel[] = [
  crossEntropyKernel(softmaxCrossEntropy, ["loss", "correct"]),
  crossEntropyKernel(softmaxCrossEntropyGrad, ["dLogits"]),
  crossEntropyKernel(softmaxCrossEntropyWithGrad, ["loss", "correct", "dLogits"]),
];
