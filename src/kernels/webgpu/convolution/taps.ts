// Loops over the taps of a filter that meet an image, as WGSL: seen from an output of the convolution, and backwards, from
// a pixel of its input. A loop's bounds are its invocation's own, so that no tap asks whether it is inside, and compilers
// do not write out the taps of both axes, which takes them seconds.

import type { Conv2dGeometry } from "../../ops/conv2d.ts";

type AxisName = "h" | "w";

/** A loop over the taps `k<name>` of one axis; all are u32. */
interface TapLoop {
  readonly name: AxisName;
  /** Statements that define the bounds, `begin_<name>` and `end_<name>`. */
  readonly bounds: string;
  readonly step: number;
  /** The cell that the tap reads. */
  readonly source: string;
}

/**
 * Statements that run `body` for every tap, in row-major order, that reads inside the source. The body knows `kh`, `kw`,
 * `tap` = kh KW + kw and the coordinates `sh`, `sw` of what the tap reads.
 */
function tapLoops(vertical: TapLoop, horizontal: TapLoop, { KW }: Conv2dGeometry, body: string): string {
  const loop = ({ name, step, source }: TapLoop, inner: string): string =>
    `for (var k${name} = begin_${name}; k${name} < end_${name}; k${name} += ${step}u) {
    let s${name} = ${source};
    ${inner}
  }`;
  const inner = loop(horizontal, `let tap = kh * ${KW}u + kw;\n    ${body}`);
  return `${vertical.bounds}\n  ${horizontal.bounds}\n  ${loop(vertical, inner)}`;
}

/** From the convolution's output (`oh`, `ow`, u32) to pixels of x: output o reads o stride + k dilation - before. */
export function forwardTaps(geometry: Conv2dGeometry, body: string): string {
  const { H, W, KH, KW, vertical, horizontal, strides, dilations } = geometry;
  const loop = (name: AxisName, taps: number, before: number, extent: number, axis: 0 | 1): TapLoop => {
    const [stride, dilation] = [strides[axis], dilations[axis]];
    return {
      name,
      bounds: `let window_${name} = o${name} * ${stride}u;
  let begin_${name} = (max(window_${name}, ${before}u) - window_${name} + ${dilation - 1}u) / ${dilation}u;
  let end_${name} = min(${taps}u, (${extent + before + dilation - 1}u - window_${name}) / ${dilation}u);`,
      step: 1,
      source: `window_${name} + k${name} * ${dilation}u - ${before}u`,
    };
  };
  const [v, h] = [loop("h", KH, vertical.before, H, 0), loop("w", KW, horizontal.before, W, 1)];
  return tapLoops(v, h, geometry, body);
}

/**
 * From a pixel of x (`h`, `w`, u32) to the outputs that read it: output o reads pixel p with tap k where
 * o stride + k dilation = p + before. Taps that fall between two outputs are not visited.
 */
export function backwardTaps(geometry: Conv2dGeometry, body: string): string {
  const { KH, KW, vertical, horizontal, strides, dilations } = geometry;
  const loop = (
    name: AxisName,
    taps: number,
    { before, output }: Conv2dGeometry["vertical"],
    axis: 0 | 1,
  ): TapLoop => {
    const [stride, dilation] = [strides[axis], dilations[axis]];
    const { first, step } = tapsByPhase(taps, stride, dilation);
    const last = (output - 1) * stride;
    return {
      name,
      bounds: `let reach_${name} = ${name} + ${before}u;
  let first_${name} = array<u32, ${stride}>(${first.map((tap) => `${tap}u`).join(", ")})[reach_${name} % ${stride}u];
  let inside_${name} = max((max(reach_${name}, ${last}u) - ${last}u + ${dilation - 1}u) / ${dilation}u, first_${name});
  let begin_${name} = first_${name} + (inside_${name} - first_${name} + ${step - 1}u) / ${step}u * ${step}u;
  let end_${name} = min(${taps}u, reach_${name} / ${dilation}u + 1u);`,
      step,
      source: `(reach_${name} - k${name} * ${dilation}u) / ${stride}u`,
    };
  };
  return tapLoops(loop("h", KH, vertical, 0), loop("w", KW, horizontal, 1), geometry, body);
}

/** Statements that define the outputs, `begin_<name>` up to `end_<name>`, whose tap `k<name>` lies inside the image. */
export function outputsOfTap(name: AxisName, geometry: Conv2dGeometry): string {
  const axis = name === "h" ? 0 : 1;
  const { before, output } = name === "h" ? geometry.vertical : geometry.horizontal;
  const [stride, dilation] = [geometry.strides[axis], geometry.dilations[axis]];
  const end = geometry[name === "h" ? "H" : "W"] + before;
  return `let cell_${name} = k${name} * ${dilation}u;
  let begin_${name} = (max(cell_${name}, ${before}u) - cell_${name} + ${stride - 1}u) / ${stride}u;
  let end_${name} = min(${output}u, (max(cell_${name}, ${end}u) - cell_${name} + ${stride - 1}u) / ${stride}u);`;
}

export interface PhaseTaps {
  /** By phase, (pixel + before) mod stride: the first tap that meets an output; `taps` if none does. */
  readonly first: readonly number[];
  /** From one of them to the next. */
  readonly step: number;
}

/** Which taps k meet an output from a pixel of each phase: k dilation = phase (mod stride). */
export function tapsByPhase(taps: number, stride: number, dilation: number): PhaseTaps {
  const first = Array.from({ length: stride }, (_, phase) => {
    for (let tap = 0; tap < taps; tap++) if ((tap * dilation) % stride === phase) return tap;
    return taps;
  });
  return { first, step: stride / greatestCommonDivisor(stride, dilation) };
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
