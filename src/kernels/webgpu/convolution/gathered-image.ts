// An image as a matrix that is nowhere: one row for each position of a filter, one column for each tap and channel under
// it. Implicit GEMM reads it from the image where it needs it (Chetlur et al. 2014, https://arxiv.org/abs/1410.0759).

import type { Channels } from "../emit/channels.ts";
import { coordinates } from "../emit/coordinates.ts";
import type { TileOperand } from "../products/tile.ts";

/** One spatial axis: position p meets with tap t the cell p stride + offset + t tapStep, if the image has it. */
export interface GatherAxis {
  readonly positions: number;
  readonly taps: number;
  readonly stride: number;
  readonly offset: number;
  /** At least 1. */
  readonly tapStep: number;
  /** Cells of the image. */
  readonly extent: number;
}

export interface Gather {
  readonly images: number;
  readonly vertical: GatherAxis;
  readonly horizontal: GatherAxis;
}

/** Rows of the matrix: positions in all images. */
export function positionsOf({ images, vertical, horizontal }: Gather): number {
  return images * vertical.positions * horizontal.positions;
}

export function tapsOf({ vertical, horizontal }: Gather): number {
  return vertical.taps * horizontal.taps;
}

/** Where neighbouring taps read neighbouring cells, a cell's channels are as good as cells: a division less. */
function withChannelsAsCells(axis: GatherAxis, units: number): readonly [GatherAxis, channels: number] {
  const { taps, stride, offset, tapStep, extent } = axis;
  if (taps > 1 && tapStep > 1) return [axis, units];
  const wide = { taps: taps * units, stride: stride * units, offset: offset * units, extent: extent * units };
  return [{ ...axis, ...wide, tapStep: 1 }, 1];
}

/** Whether all that the filter meets lies in the image. */
function isInside({ positions, taps, stride, offset, tapStep, extent }: GatherAxis): boolean {
  return offset >= 0 && (positions - 1) * stride + offset + (taps - 1) * tapStep < extent;
}

/**
 * `$name`[images, H, W, channels], bound as `channels.type`, as a tile's operand. Along k, its rows are the product's, and the
 * taps and channels are k; along the outer axis it is the other way round.
 */
export function gatheredImage(
  name: string,
  { images, vertical, horizontal }: Gather,
  { units, width }: Channels,
  along: TileOperand["along"],
): TileOperand {
  const [position, column] = along === "k" ? ["outer", "k"] : ["k", "outer"];
  const [flat, channels] = withChannelsAsCells(horizontal, units);
  const cell = (axis: string, { stride, offset, tapStep }: GatherAxis): string =>
    `let ${axis} = position_${axis} * ${stride}u + tap_${axis} * ${tapStep}u + ${offset >>> 0}u;`;
  const place = coordinates(position, {
    ...{ image: images, position_h: vertical.positions, position_w: flat.positions },
  });
  // Cells before the image are large numbers: a comparison finds both kinds that it has not.
  const outside = Object.entries({ h: vertical, w: flat })
    .filter(([, axis]) => !isInside(axis))
    .map(([name, { extent }]) => `${name} >= ${extent}u`);
  const read = (
    unit: string,
  ): string => `${coordinates(unit, { tap_h: vertical.taps, tap_w: flat.taps, channel: channels })}
    ${cell("h", vertical)} ${cell("w", flat)}
    let outside = ${outside.join(" || ") || "false"};
    let at = ((image * ${vertical.extent}u + h) * ${flat.extent}u + w) * ${channels}u + channel;`;
  if (width === 4)
    return {
      along,
      load: `${place}
    let unit = ${column} / 4u;
    ${read("unit")}
    if (outside) { return vec4f(); }
    return $${name}[at];`,
    };
  const elements = [0, 1, 2, 3].map(
    (lane) => `{ let unit = ${column} + ${lane}u;
    ${read("unit")}
    if (!outside) { four[${lane}] = $${name}[at]; } }`,
  );
  return {
    along,
    load: `${place}
  var four = vec4f();
  ${elements.join("\n  ")}
  return four;`,
  };
}
