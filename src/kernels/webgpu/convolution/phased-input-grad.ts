// The input's gradient of conv2d as matrix products by tiles: one for each phase of the strides, whose pixels all meet the
// same taps, so that none is multiplied in vain.

import type { KernelCall } from "../../kernel.ts";
import {
  conv2dGeometry,
  conv2dInputGrad,
  type Conv2dGeometry,
  type Conv2dInputGradParams,
} from "../../ops/conv2d.ts";
import { channelsOf } from "../emit/channels.ts";
import { flatPass } from "../emit/flat.ts";
import type { WebGpuPass } from "../kernel.ts";
import { finish, type Finish, type TiledProduct } from "../products/gemm.ts";
import { gatheredImage, positionsOf, tapsOf, type Gather } from "./gathered-image.ts";
import { backwardPhases, type Phase } from "./gathers.ts";

export interface PhasedGradient {
  readonly products: readonly TiledProduct[];
  /** What runs before them. */
  readonly before: readonly WebGpuPass[];
}

export function phasedInputGrad(call: KernelCall): PhasedGradient {
  const geometry = inputGradGeometry(call);
  const phases = backwardPhases(geometry);
  const met = phases.filter((phase) => tapsOf(phaseGather(geometry, phase)) > 0);
  return {
    products: met.map((phase) => phaseProduct(call, geometry, phase)),
    before: met.length === phases.length ? [] : [zeroPass(geometry)],
  };
}

function inputGradGeometry({ inputs, params }: KernelCall): Conv2dGeometry {
  const { inputShape, ...window } = params as Conv2dInputGradParams;
  return conv2dGeometry(conv2dInputGrad.name, inputShape, inputs[1]!.shape, window);
}

function phaseGather({ B }: Conv2dGeometry, { vertical, horizontal }: Phase): Gather {
  return { images: B, vertical: vertical.gather, horizontal: horizontal.gather };
}

/** dx[pixels of the phase, C] = dy[pixels of the phase, its taps N] w[its taps N, C] */
function phaseProduct(call: KernelCall, geometry: Conv2dGeometry, phase: Phase): TiledProduct {
  const { C, N } = geometry;
  const gather = phaseGather(geometry, phase);
  const channels = channelsOf(N);
  return {
    ...{ m: positionsOf(gather), n: C, k: tapsOf(gather) * N },
    a: gatheredImage("dy", gather, channels, "k"),
    b: { along: "k", load: loadFilterAlongOutputs(geometry, phase) },
    bindings: {
      dy: { of: { input: 0 }, type: channels.type },
      w: { of: { input: 1 }, type: channels.type },
    },
    finish: atPixels(
      geometry,
      phase,
      finish({ n: C, relu: false, ...(call.inputs.length === 3 && { mask: 2 }) }),
    ),
  };
}

/** w[KH, KW, C, N] at (outer = c, k = (tap of the phase, n)). */
function loadFilterAlongOutputs({ KW, C, N }: Conv2dGeometry, { vertical, horizontal }: Phase): string {
  const { units, width } = channelsOf(N);
  const at = (unit: string): string => {
    const tap = `${unit} / ${units}u`;
    const kh = `(${vertical.lastTap}u - ${tap} / ${horizontal.gather.taps}u * ${vertical.tapStep}u)`;
    const kw = `(${horizontal.lastTap}u - ${tap} % ${horizontal.gather.taps}u * ${horizontal.tapStep}u)`;
    return `((${kh} * ${KW}u + ${kw}) * ${C}u + outer) * ${units}u + ${unit} % ${units}u`;
  };
  if (width === 4) return `return $w[${at("(k / 4u)")}];`;
  return `return vec4f(${[0, 1, 2, 3].map((lane) => `$w[${at(`(k + ${lane}u)`)}]`).join(", ")});`;
}

/** The same, where `row` numbers the pixels of a phase and not those of the image. */
function atPixels(
  geometry: Conv2dGeometry,
  { vertical, horizontal }: Phase,
  { statements, bindings }: Finish,
): Finish {
  const { H, W, strides } = geometry;
  const [rows, columns] = [vertical.gather.positions, horizontal.gather.positions];
  const h = `row / ${columns}u % ${rows}u * ${strides[0]}u + ${vertical.first}u`;
  const w = `row % ${columns}u * ${strides[1]}u + ${horizontal.first}u`;
  return {
    statements: `{ let row = (row / ${rows * columns}u * ${H}u + ${h}) * ${W}u + ${w};
  ${statements} }`,
    bindings,
  };
}

/** Zero for all pixels: no output has read those of some phases, and the others' are written again. */
function zeroPass({ B, H, W, C }: Conv2dGeometry): WebGpuPass {
  const { type, units } = channelsOf(C);
  return flatPass({
    count: B * H * W * units,
    bindings: { y: { of: { output: 0 }, type } },
    body: `$y[i] = ${type}();`,
  });
}
