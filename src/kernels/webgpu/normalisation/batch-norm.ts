// Batch normalisation in training: statistics of slices of rows first; then each workgroup joins those of its columns and
// normalises its slice. Two passes over x, or one if there is one slice.
//
// Squared deviations are never a difference of large sums: an invocation counts from the first value that it reads, and
// what several have found is put together by their means (T. F. Chan et al., "Updating formulae and a pairwise algorithm
// for computing sample variances", 1979).

import type { KernelCall } from "../../kernel.ts";
import { batchNorm, type BatchNormParams } from "../../ops/batch-norm.ts";
import { elementCount } from "../../tensor.ts";
import { channelsOf } from "../emit/channels.ts";
import type { Binding, WebGpuKernel, WebGpuRoutine, WebGpuTarget } from "../kernel.ts";
import { activated, BEFORE_ACTIVATION } from "./affine.ts";
import { overOwnRows, overSlices, rowSlices, slicePass, type RowSlices } from "./row-slices.ts";

/** Statements: `mean` and `deviations` of this workgroup's slice, by column. */
function sliceStatistics(slices: RowSlices): string {
  const { type, units } = slices.tile.channels;
  const { down } = slices.tile;
  return `let first = begin + down;
  let rows = select(0.0, f32((end - first + ${down - 1}u) / ${down}u), first < end);
  var start = ${type}(); var sum = ${type}(); var squares = ${type}();
  if (inside && rows > 0) { start = $x[first * ${units}u + c]; }
  ${overOwnRows(slices, "let d = $x[i] - start; sum += d; squares += d * d;")}
  let shift = sum / max(rows, 1);
  let own_mean = start + shift;
  let mean = add_down(own_mean * rows, thread) / f32(end - begin);
  let way = own_mean - mean;
  let deviations = add_down(squares - sum * shift + way * way * rows, thread);`;
}

/** Statements: the same of all rows, from those that the slices have left. */
function joinSlices(slices: RowSlices): string {
  const { tile, rows, perSlice } = slices;
  const { type, units } = tile.channels;
  const weight = `let weight = f32(min(${perSlice}u, ${rows}u - slice * ${perSlice}u));`;
  return `var total = ${type}();
  ${overSlices(slices, `${weight} total += $partials[p] * weight;`)}
  let mean = add_down(total, thread) / ${rows};
  var own_deviations = ${type}();
  ${overSlices(
    slices,
    `${weight} let way = $partials[p] - mean;
      own_deviations += $partials[${slices.slices * units}u + p] + way * way * weight;`,
  )}
  let deviations = add_down(own_deviations, thread);`;
}

function build(call: KernelCall, target: WebGpuTarget): WebGpuRoutine {
  const { inputs, outputs } = call;
  const { epsilon, activation } = call.params as BatchNormParams;
  const C = elementCount(outputs[1]!);
  const channels = channelsOf(C);
  const { type, units } = channels;
  const slices = rowSlices(channels, elementCount(inputs[0]!) / C);
  const x: Binding = { of: { input: 0 }, type };
  const operands: Readonly<Record<string, Binding>> = {
    x,
    gamma: { of: { input: 1 }, type },
    beta: { of: { input: 2 }, type },
    y: { of: { output: 0 }, type },
    mean: { of: { output: 1 }, type },
    variance: { of: { output: 2 }, type },
    rstd: { of: { output: 3 }, type },
  };
  const normalise = `let variance = deviations / ${slices.rows};
  let rstd = inverseSqrt(variance + ${epsilon});
  var gamma = ${type}(); var beta = ${type}();
  if (inside) { gamma = $gamma[c]; beta = $beta[c]; }
  if (inside && group.y == 0u && down == 0u) { $mean[c] = mean; $variance[c] = variance; $rstd[c] = rstd; }
  ${overOwnRows(slices, `let x = $x[i]; $y[i] = ${activated(BEFORE_ACTIVATION, type, activation)};`)}`;
  if (slices.slices === 1)
    return { passes: [slicePass(slices, operands, `${sliceStatistics(slices)}\n  ${normalise}`, target)] };

  // (2, slices, C): means, then deviations, in one binding, for the second pass has seven others.
  const partials = (write?: true): Readonly<Record<string, Binding>> => ({
    partials: { of: { scratch: "partials", ...(write && { write }) }, type },
  });
  const leave = `if (inside && down == 0u) {
    let p = group.y * ${units}u + c;
    $partials[p] = mean; $partials[${slices.slices * units}u + p] = deviations;
  }`;
  const [statistics, result] = [
    `${sliceStatistics(slices)}\n  ${leave}`,
    `${joinSlices(slices)}\n  ${normalise}`,
  ];
  return {
    passes: [
      slicePass(slices, { x, ...partials(true) }, statistics, target),
      slicePass(slices, { ...operands, ...partials() }, result, target),
    ],
    scratch: { partials: 2 * slices.slices * C },
  };
}

export const batchNormKernel: WebGpuKernel = {
  name: "f32-batch-norm-webgpu",
  op: batchNorm,
  accepts: () => true,
  build,
};
