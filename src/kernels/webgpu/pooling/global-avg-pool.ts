// The mean of each channel over an image, and its gradient. One workgroup takes a tile of channels of one image.

import { globalAvgPool, globalAvgPoolGrad } from "../../ops/global-avg-pool.ts";
import { elementCount } from "../../tensor.ts";
import { channelsOf } from "../emit/channels.ts";
import { columnTile, columnTilePass } from "../emit/column-tile.ts";
import { coordinates, flatIndex } from "../emit/coordinates.ts";
import { flatPass } from "../emit/flat.ts";
import type { WebGpuKernel } from "../kernel.ts";

/** Along y. */
const MOST_WORKGROUPS = 65_535;

const globalAvgPoolKernel: WebGpuKernel = {
  name: "f32-global-avg-pool-webgpu",
  op: globalAvgPool,
  accepts: () => true,
  build({ inputs, outputs }, target) {
    const [B, C] = outputs[0]!.shape as [number, number];
    const pixels = elementCount(inputs[0]!) / (B * C);
    const channels = channelsOf(C);
    const tile = columnTile(channels, pixels);
    const x = flatIndex([
      ["b", B],
      ["pixel", pixels],
      ["c", channels.units],
    ]);
    // More images than fit along y go on along z.
    const z = Math.ceil(B / MOST_WORKGROUPS);
    const y = Math.ceil(B / z);
    const pass = columnTilePass(
      {
        tile,
        bindings: {
          x: { of: { input: 0 }, type: channels.type },
          y: { of: { output: 0 }, type: channels.type },
        },
        body: `let b = group.y + group.z * ${y}u;
  var own = ${channels.type}();
  if (inside && b < ${B}u) {
    for (var pixel = down; pixel < ${pixels}u; pixel += ${tile.down}u) { own += $x[${x}]; }
  }
  let sum = add_down(own, thread);
  if (inside && b < ${B}u && down == 0u) { $y[b * ${channels.units}u + c] = sum / ${pixels}; }`,
        workgroups: [y, z],
      },
      target,
    );
    return { passes: [pass] };
  },
};

const globalAvgPoolGradKernel: WebGpuKernel = {
  name: "f32-global-avg-pool-grad-webgpu",
  op: globalAvgPoolGrad,
  accepts: () => true,
  build({ inputs, outputs }) {
    const [B, C] = inputs[0]!.shape as [number, number];
    const pixels = elementCount(outputs[0]!) / (B * C);
    const { type, units } = channelsOf(C);
    return {
      passes: [
        flatPass({
          count: B * pixels * units,
          bindings: { dy: { of: { input: 0 }, type }, dx: { of: { output: 0 }, type } },
          body: `${coordinates("i", { b: B, pixel: pixels, c: units })}
  $dx[i] = $dy[b * ${units}u + c] / ${pixels};`,
        }),
      ],
    };
  },
};

export const globalPoolingKernels: readonly WebGpuKernel[] = [globalAvgPoolKernel, globalAvgPoolGradKernel];
