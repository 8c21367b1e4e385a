// Where the windows of convolution and pooling lie: TensorFlow's "same" and "valid" padding.

import { expectPositiveInteger, shapeMismatch } from "./shapes.ts";

export type Padding = "same" | "valid";

/** One spatial axis: `output` windows; the first begins `before` cells ahead of the image, the last ends `after` behind. */
export interface WindowAxis {
  readonly output: number;
  readonly before: number;
  readonly after: number;
}

/** `where` names the image's extent in messages: `x.shape[1]`. Extents in cells. */
export function windowAxis(
  op: string,
  where: string,
  input: number,
  window: number,
  stride: number,
  padding: Padding,
): WindowAxis {
  expectPositiveInteger(op, where, input);
  expectPositiveInteger(op, `window of ${where}`, window);
  expectPositiveInteger(op, `stride of ${where}`, stride);
  if (padding === "valid") {
    if (window > input)
      throw shapeMismatch(
        `${op}: ${where} = ${input} but the window = ${window} (padding "valid" needs it to fit)`,
      );
    return { output: Math.floor((input - window) / stride) + 1, before: 0, after: 0 };
  }
  const output = Math.ceil(input / stride);
  const total = Math.max((output - 1) * stride + window - input, 0);
  const before = Math.floor(total / 2);
  return { output, before, after: total - before };
}
