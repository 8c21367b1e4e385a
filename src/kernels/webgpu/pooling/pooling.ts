// Pools and their gradients. A gradient is gathered: each cell of the image asks the windows that hold it, in order, so
// that windows that overlap need no atomics and add up in one order.

import type { KernelCall } from "../../kernel.ts";
import type { Op } from "../../op.ts";
import {
  avgPool,
  avgPoolGrad,
  maxPool,
  maxPoolGrad,
  poolGeometry,
  type AvgPoolGradParams,
  type PoolParams,
} from "../../ops/pooling.ts";
import { channelsOf, type Channels } from "../emit/channels.ts";
import { coordinates, flatIndex } from "../emit/coordinates.ts";
import { flatPass } from "../emit/flat.ts";
import type { BoundMemory, WebGpuKernel } from "../kernel.ts";
import { cellsOfWindow, windowsOfCell, type PooledAxis } from "./windows.ts";

interface Pool extends Channels {
  readonly B: number;
  readonly vertical: PooledAxis;
  readonly horizontal: PooledAxis;
}

function poolOf(inputShape: readonly number[], params: PoolParams): Pool {
  const { B, H, W, C, vertical, horizontal } = poolGeometry("pool", inputShape, params);
  const [[height, width], [down, right]] = [params.poolSize, params.strides];
  return {
    B,
    ...channelsOf(C),
    vertical: { ...vertical, input: H, size: height, stride: down },
    horizontal: { ...horizontal, input: W, size: width, stride: right },
  };
}

/** Index of cell (`h`, `w`) of the image that `b` and `c` say. */
function cellAt({ B, units, vertical, horizontal }: Pool, h: string, w: string): string {
  return flatIndex([
    ["b", B],
    [h, vertical.input],
    [w, horizontal.input],
    ["c", units],
  ]);
}

/** Index of window (`oh`, `ow`) of that image. */
function windowAt({ B, units, vertical, horizontal }: Pool): string {
  return flatIndex([
    ["b", B],
    ["oh", vertical.output],
    ["ow", horizontal.output],
    ["c", units],
  ]);
}

/** A kernel with one invocation for each unit of output 0. `operands` names inputs and output. */
function poolKernel<P extends PoolParams>(
  op: Op<P>,
  operands: (call: KernelCall<P>) => Readonly<Record<string, BoundMemory>>,
  body: (pool: Pool, call: KernelCall<P>) => string,
): WebGpuKernel {
  return {
    name: `f32-${op.name}-webgpu`,
    op,
    accepts: () => true,
    build: (anyCall: KernelCall) => {
      const call = anyCall as KernelCall<P>;
      const inputShape =
        "inputShape" in call.params
          ? (call.params.inputShape as AvgPoolGradParams["inputShape"])
          : call.inputs[0]!.shape;
      const pool = poolOf(inputShape, call.params);
      const [B, height, width] = call.outputs[0]!.shape;
      const bindings = Object.entries(operands(call)).map(([name, of]) => [name, { of, type: pool.type }]);
      return {
        passes: [
          flatPass({
            count: B! * height! * width! * pool.units,
            bindings: Object.fromEntries(bindings) as Parameters<typeof flatPass>[0]["bindings"],
            body: body(pool, call),
          }),
        ],
      };
    },
  };
}

/** Statements over the cells of window `i`; `h_first` and the like are known, `visit` sees `h` and `w`. */
function overWindow(pool: Pool, begin: string, visit: string, end: string): string {
  const { B, units, vertical, horizontal } = pool;
  return `${coordinates("i", { b: B, oh: vertical.output, ow: horizontal.output, c: units })}
  ${cellsOfWindow("h", "oh", vertical)}
  ${cellsOfWindow("w", "ow", horizontal)}
  ${begin}
  for (var h = h_first; h < h_end; h++) {
    for (var w = w_first; w < w_end; w++) { ${visit} }
  }
  ${end}`;
}

/** Statements over the windows that hold cell `i`; `visit` sees the cell's `h` and `w`, the window's `oh`, `ow` and index `o`. */
function overWindowsOfCell(pool: Pool, begin: string, visit: string, end: string): string {
  const { B, units, vertical, horizontal } = pool;
  return `${coordinates("i", { b: B, h: vertical.input, w: horizontal.input, c: units })}
  ${windowsOfCell("oh", "h", vertical)}
  ${windowsOfCell("ow", "w", horizontal)}
  ${begin}
  for (var oh = oh_first; oh < oh_end; oh++) {
    for (var ow = ow_first; ow < ow_end; ow++) {
      let o = ${windowAt(pool)};
      ${visit}
    }
  }
  ${end}`;
}

const maxPoolKernel = poolKernel(
  maxPool,
  () => ({ x: { input: 0 }, y: { output: 0 } }),
  (pool) =>
    overWindow(
      pool,
      `var most = $x[${cellAt(pool, "h_first", "w_first")}];`,
      `most = max(most, $x[${cellAt(pool, "h", "w")}]);`,
      "$y[i] = most;",
    ),
);

/** A cell wins if it equals the maximum and no cell before it in the window does. */
const maxPoolGradKernel = poolKernel(
  maxPoolGrad,
  () => ({ x: { input: 0 }, y: { input: 1 }, dy: { input: 2 }, dx: { output: 0 } }),
  (pool) =>
    overWindowsOfCell(
      pool,
      `let x = $x[i]; var sum = ${pool.type}();`,
      `let most = $y[o];
      var wins = x == most;
      if (any(wins)) {
        ${cellsOfWindow("ph", "oh", pool.vertical)}
        ${cellsOfWindow("pw", "ow", pool.horizontal)}
        for (var ph = ph_first; ph <= h; ph++) {
          let end = select(pw_end, w, ph == h);
          for (var pw = pw_first; pw < end; pw++) { wins = wins & ($x[${cellAt(pool, "ph", "pw")}] != most); }
        }
        sum += select(${pool.type}(), $dy[o], wins);
      }`,
      "$dx[i] = sum;",
    ),
);

function isPadded({ vertical, horizontal }: Pool): boolean {
  return vertical.before + vertical.after + horizontal.before + horizontal.after > 0;
}

function cellsOfWholeWindow({ vertical, horizontal }: Pool): string {
  return `f32(${vertical.size * horizontal.size})`;
}

const avgPoolKernel = poolKernel(
  avgPool,
  () => ({ x: { input: 0 }, y: { output: 0 } }),
  (pool) =>
    overWindow(
      pool,
      `var sum = ${pool.type}();`,
      `sum += $x[${cellAt(pool, "h", "w")}];`,
      `$y[i] = sum / ${isPadded(pool) ? "f32((h_end - h_first) * (w_end - w_first))" : cellsOfWholeWindow(pool)};`,
    ),
);

const avgPoolGradKernel = poolKernel<AvgPoolGradParams>(
  avgPoolGrad,
  ({ inputs }) => ({
    dy: { input: 0 },
    ...(inputs.length > 1 ? { mask: { input: 1 } } : {}),
    dx: { output: 0 },
  }),
  (pool, { inputs }) => {
    const zero = `${pool.type}()`;
    const share = isPadded(pool)
      ? `${cellsOfWindow("ph", "oh", pool.vertical)}
      ${cellsOfWindow("pw", "ow", pool.horizontal)}
      sum += $dy[o] / f32((ph_end - ph_first) * (pw_end - pw_first));`
      : `sum += $dy[o] / ${cellsOfWholeWindow(pool)};`;
    return overWindowsOfCell(
      pool,
      `var sum = ${zero};`,
      share,
      inputs.length > 1 ? `$dx[i] = select(${zero}, sum, $mask[i] > ${zero});` : "$dx[i] = sum;",
    );
  },
);

export const poolingKernels: readonly WebGpuKernel[] = [
  maxPoolKernel,
  maxPoolGradKernel,
  avgPoolKernel,
  avgPoolGradKernel,
];
