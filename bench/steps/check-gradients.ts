// Whether a device computes the gradients that the processor does, of the very model and batch whose steps are timed.

import type { Topology } from "../../src/models/topology.ts";
import { openWasmTestbed } from "../testbeds/wasm.ts";
import { prepareOwnSteps, type OwnSteps } from "./own-steps.ts";

/** Two f32 sums in different orders, through all layers. */
export const GRADIENT_TOLERANCE = 1e-4;

/**
 * The norm of the difference over the norm of wasm's gradients. Parameters and batch are functions of their seeds. Wasm's
 * kernels are themselves tested against the reference in double precision, which would take minutes here.
 */
export async function gradientError(own: OwnSteps, topology: Topology, batchSize: number): Promise<number> {
  const got = await own.gradients();
  const wasm = await openWasmTestbed();
  const want = await wasm.use(async (device) =>
    (await prepareOwnSteps(device, topology, batchSize)).gradients(),
  );
  let [difference, size] = [0, 0];
  for (const [i, value] of want.entries()) {
    difference += (got[i]! - value) ** 2;
    size += value ** 2;
  }
  return Math.sqrt(difference / size);
}
