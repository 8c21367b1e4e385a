// Workgroup reductions, over every shape of a team that kernels use: each invocation gets its team's sum, and the same bits.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { WebGpuDevice } from "../../../src/device/webgpu/webgpu-device.ts";
import { f32 } from "../../../src/kernels/tensor.ts";
import { reduceDirective, reduceFunction, sumOf } from "../../../src/kernels/webgpu/emit/reduce.ts";
import type { WebGpuKernel } from "../../../src/kernels/webgpu/kernel.ts";
import { ops } from "../../../src/kernels/ops/index.ts";
import { createTestGpu, needsGpu } from "../../support/gpu.ts";
import { runCall } from "./run-calls.ts";

const TEAMS = [
  { lanes: 1, stride: 1, workgroup: 64 },
  { lanes: 4, stride: 1, workgroup: 64 },
  { lanes: 16, stride: 1, workgroup: 128 },
  { lanes: 256, stride: 1, workgroup: 256 },
  { lanes: 8, stride: 32, workgroup: 256 },
  { lanes: 64, stride: 4, workgroup: 256 },
] as const;

let device: WebGpuDevice | undefined;
before(async () => {
  if (needsGpu.skip === false) device = await createTestGpu();
});
after(() => device?.destroy());

for (const team of TEAMS)
  for (const subgroups of [true, false]) {
    const { lanes, stride, workgroup } = team;
    const how = `${lanes} lanes, ${stride} apart, of ${workgroup}, with${subgroups ? "" : "out"} subgroups`;
    test(`a team gets its sum: ${how}`, needsGpu, async () => {
      const target = subgroups ? device!.target : { subgroupSize: undefined };
      const add = reduceFunction({ name: "add", type: "f32", combine: sumOf }, team, target);
      const kernel: WebGpuKernel = {
        name: "team-sums",
        op: ops.relu,
        accepts: () => true,
        build: () => ({
          passes: [
            {
              wgsl: `${reduceDirective(target)}${add}
@compute @workgroup_size(${workgroup})
fn main(@builtin(local_invocation_index) thread: u32) { $y[thread] = add($x[thread], thread); }`,
              bindings: { x: { of: { input: 0 }, type: "f32" }, y: { of: { output: 0 }, type: "f32" } },
              workgroups: [1, 1, 1],
            },
          ],
        }),
      };
      const type = f32(workgroup);
      const x = Float32Array.from({ length: workgroup }, (_, i) => i ** 2 + 1 / 3);
      const one = {
        op: "relu",
        call: { inputs: [type], outputs: [type], params: {} },
        label: how,
      } as const;
      const [y] = await runCall(device!, kernel, one, [x]);
      const first = (thread: number) => thread - (Math.floor(thread / stride) % lanes) * stride;
      y!.forEach((value, thread) => {
        let sum = 0;
        for (let lane = 0; lane < lanes; lane++) sum += x[first(thread) + lane * stride]!;
        assert.ok(Math.abs(value - sum) <= 1e-6 * sum, `invocation ${thread}: ${value}, not ${sum}`);
        assert.equal(value, y![first(thread)], `invocation ${thread} has bits of its own`);
      });
    });
  }
