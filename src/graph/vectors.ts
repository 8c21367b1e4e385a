// The vectors that a program runs on. Programs of several batch sizes share parameters and state by sharing vectors.

import type { Device, DeviceVector, Program } from "../device/device.ts";
import { SltrainError } from "../errors.ts";

/**
 * A vector for each name in `program.vectors`: the one in `existing`, or else a new zeroed one. Throws SltrainError
 * "vector-too-small" if an existing one is shorter than the program needs.
 */
export function allocateVectors(
  device: Device,
  program: Program,
  existing: Readonly<Record<string, DeviceVector>> = {},
): Record<string, DeviceVector> {
  return Object.fromEntries(
    Object.entries(program.vectors).map(([name, elements]) => {
      const shared = existing[name];
      if (shared !== undefined && shared.elements < elements)
        throw new SltrainError({
          code: "vector-too-small",
          message: `vectors: ${name} has ${shared.elements} elements but the program needs ${elements}`,
          suggestions: [
            "Allocate the vectors of the largest batch first, or leave this one out to get a new one.",
          ],
        });
      return [name, shared ?? device.alloc(elements, name)];
    }),
  );
}
