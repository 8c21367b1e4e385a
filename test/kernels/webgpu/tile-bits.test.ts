// Which tile computes a product may be decided by the clock: for that, all of them give equal bits.

import assert from "node:assert/strict";
import { test } from "node:test";
import { f32 } from "../../../src/kernels/tensor.ts";
import { TILES } from "../../../src/kernels/webgpu/products/tiles.ts";
import { tiledMatmul } from "../../../src/kernels/webgpu/products/matmul.ts";
import { createTestGpu, needsGpu } from "../../support/gpu.ts";
import { caseOf, operandsOf } from "../cases.ts";
import { assertClose, bitsOf, expected } from "../expected.ts";
import { runCall } from "./run-calls.ts";

test("every tile gives a product the same bits, its K split or not", needsGpu, async (t) => {
  const device = await createTestGpu();
  for (const k of [70, 300]) {
    const one = caseOf("matmul", [f32(131, k), f32(k, 90)], { transposeA: false, transposeB: false });
    const operands = operandsOf(one);
    const [first, ...others] = TILES.map((tile) => tiledMatmul(tile));
    const got = await runCall(device, first!, one, operands);
    assertClose(first!.name, one, got, expected(one, operands), 2e-6);
    for (const kernel of others)
      assert.deepEqual(bitsOf(await runCall(device, kernel, one, operands)), bitsOf(got), kernel.name);
  }
  t.diagnostic(`${TILES.length} tiles`);
  device.destroy();
});
