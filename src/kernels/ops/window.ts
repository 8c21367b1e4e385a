// Where the windows of convolution and pooling lie: TensorFlow's "same" and "valid" padding.

import { expectPositiveInteger, shapeMismatch } from "./shapes.ts";

export type Padding = "same" | "valid";

/** One spatial axis: `output` windows; the first begins `before` cells ahead of the image, the last ends `after` behind. */
export interface WindowAxis {
  readonly output: number;
  readonly before: number;
  readonly after: number;
}

/**
 * `where` names the image's extent in messages: `x.shape[1]`. Extents in cells; a window's cells lie `dilation` apart
 * in the image.
 */
export function windowAxis(
  op: string,
  where: string,
  input: number,
  window: number,
  stride: number,
  padding: Padding,
  dilation = 1,
): WindowAxis {
  expectPositiveInteger(op, where, input);
  expectPositiveInteger(op, `window of ${where}`, window);
  expectPositiveInteger(op, `stride of ${where}`, stride);
  expectPositiveInteger(op, `dilation of ${where}`, dilation);
  const span = (window - 1) * dilation + 1;
  if (padding === "valid") {
    if (span > input) {
      const dilated = dilation > 1 ? ` (${window} cells, ${dilation} apart)` : "";
      throw shapeMismatch(
        `${op}: ${where} = ${input} but the window = ${span}${dilated} (padding "valid" needs it to fit)`,
      );
    }
    return { output: Math.floor((input - span) / stride) + 1, before: 0, after: 0 };
  }
  const output = Math.ceil(input / stride);
  const total = Math.max((output - 1) * stride + span - input, 0);
  const before = Math.floor(total / 2);
  return { output, before, after: total - before };
}
