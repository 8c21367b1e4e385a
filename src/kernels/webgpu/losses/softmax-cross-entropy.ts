// Softmax cross-entropy, its gradient, and both at once: a team of invocations a row. Of few rows one workgroup sums up the
// losses itself; of many each workgroup leaves what its rows have lost, and a second pass adds that up.

import type { KernelCall } from "../../kernel.ts";
import type { Op } from "../../op.ts";
import type { NoParams } from "../../ops/elementwise.ts";
import {
  softmaxCrossEntropy,
  softmaxCrossEntropyGrad,
  softmaxCrossEntropyWithGrad,
} from "../../ops/losses.ts";
import { elementIndices, elementType, horizontalSum, type Width } from "../emit/elements.ts";
import { mathFunctions } from "../emit/math.ts";
import { sumOf } from "../emit/reduce.ts";
import { joinedRowTeams, rowPass, rowTeams } from "../emit/rows.ts";
import { flatSums } from "../emit/flat-sums.ts";
import type { Binding, WebGpuKernel, WebGpuRoutine, WebGpuTarget } from "../kernel.ts";
import { findMaximum, ROW_MAXIMUM, rowUnits } from "./softmax.ts";

type Result = "loss" | "correct" | "dLogits";

/** No class has this label: the loss must not look like one. Of a variable, for WGSL has no constant NaN. */
const NOT_A_NUMBER = "var<private> not_a_number = 0x7fc00000u;\n";

/** The sums over a row that all else is made of: of the exponentials, and of maxima before the label. */
function rowSums(columns: number): string {
  const { width, units } = rowUnits(columns);
  const type = elementType(width);
  return `${findMaximum("logits", columns)}
    let label = u32($labels[row]);
    var exponentials = ${type}();
    var earlier = ${type}();
    for (var c = lane; c < ${units}u; c += LANES) {
      let logit = $logits[first + c];
      exponentials += exp_of(logit - maximum);
      earlier += select(${type}(), ${type}(1.0), ${isEarlierMaximum(width)});
    }
    let sums = row_sums(vec2f(${horizontalSum("exponentials", width)}, ${horizontalSum("earlier", width)}), thread);`;
}

function isEarlierMaximum(width: Width): string {
  const label = width === 4 ? "vec4u(label)" : "label";
  const maximum = width === 4 ? "vec4f(maximum)" : "maximum";
  return `(logit == ${maximum}) & (${elementIndices("c", width)} < ${label})`;
}

/** `maximum - logit` is exact where it is small: a sure answer's loss keeps its digits. */
function addLoss(columns: number): string {
  const { width } = rowUnits(columns);
  const at = `row * ${columns}u + label`;
  const chosen = width === 4 ? `$logits[(${at}) / 4u][(${at}) % 4u]` : `$logits[${at}]`;
  return `if (present && lane == 0u) {
      if (label < ${columns}u) {
        let chosen = ${chosen};
        sum += vec2f(
          log_of(sums.x) + (maximum - chosen),
          select(0.0, 1.0, chosen == maximum && sums.y == 0.0),
        );
      } else { sum.x = bitcast<f32>(not_a_number); }
    }`;
}

function storeGradient(columns: number, dLoss: string): string {
  const { width, units } = rowUnits(columns);
  const type = elementType(width);
  const isLabel = `${elementIndices("c", width)} == ${width === 4 ? "vec4u(label)" : "label"}`;
  return `let scale = ${dLoss} / sums.x;
    if (present) {
      for (var c = lane; c < ${units}u; c += LANES) {
        $dLogits[first + c] = exp_of($logits[first + c] - maximum) * scale
          - select(${type}(), ${type}(${dLoss}), ${isLabel});
      }
    }`;
}

function crossEntropyKernel(op: Op<NoParams>, results: readonly Result[]): WebGpuKernel {
  const [withLoss, withGrad] = [results.includes("loss"), results.includes("dLogits")];
  return {
    name: `f32-${op.name}-webgpu`,
    op,
    accepts: () => true,
    build({ inputs }: KernelCall, target) {
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
      const dLoss = inputs.length > 2;
      const pass = rowPass(
        {
          teams,
          bindings: {
            logits: { of: { input: 0 }, type: elementType(width) },
            labels: { of: { input: 1 }, type: "i32" },
            ...(dLoss && { dLoss: { of: { input: 2 }, type: "f32" } }),
            ...others,
            ...(withLoss && (single ? sums : partialSums(true))),
          },
          reductions: [ROW_MAXIMUM, { name: "row_sums", type: "vec2f", combine: sumOf }],
          ...(withLoss && {
            workgroupReductions: [{ name: "workgroup_sums", type: "vec2f", combine: sumOf }],
            before: "var sum = vec2f();",
            after: storeSums(single),
          }),
          module: `${NOT_A_NUMBER}${mathFunctions(["exp"], width)}${mathFunctions(["log"], 1)}`,
          row: [
            rowSums(columns),
            ...(withLoss ? [addLoss(columns)] : []),
            ...(withGrad ? [storeGradient(columns, dLoss ? "$dLoss[0]" : "1.0")] : []),
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
