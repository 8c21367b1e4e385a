// Whole training programs against values that PyTorch made (make.py): losses of ten steps, gradients of the first.

import { suite, test } from "node:test";
import type { Device } from "../../src/device/device.ts";
import { createReferenceDevice } from "../../src/device/reference/reference-device.ts";
import { createWasmDevice } from "../../src/device/wasm/wasm-device.ts";
import { goldenCases } from "./cases.ts";
import { expectGolden } from "./expect-golden.ts";
import { playGolden, readGolden } from "./golden-case.ts";

/** The reference is the slow one: three steps have the momentum of two. */
const devices: readonly { readonly create: () => Device | Promise<Device>; readonly steps: number }[] = [
  { create: () => createReferenceDevice({ precision: "f32" }), steps: 3 },
  { create: () => createWasmDevice(), steps: 10 },
];

for (const { create, steps } of devices) {
  const device = await create();
  suite(`the ${device.name} device trains as PyTorch does`, () => {
    for (const { name, topology } of goldenCases) {
      test(`${name}: ${steps} losses and the first step's gradients and statistics are PyTorch's`, async () => {
        const golden = await readGolden(name);
        expectGolden(await playGolden(device, topology, golden, steps), golden, steps);
      });
    }
  });
}
