// What every device does before it compiles: finds the program's vectors among those it was given.

import { SltrainError } from "../errors.ts";
import type { DeviceVector, Program } from "./device.ts";

/** By the program's names. Throws SltrainError "vector-too-small" naming device, vector and both lengths. */
export function bindVectors<V extends DeviceVector>(
  device: string,
  program: Program,
  vectors: Readonly<Record<string, DeviceVector>>,
  own: (vector: DeviceVector) => V,
): ReadonlyMap<string, V> {
  return new Map(
    Object.entries(program.vectors).map(([name, elements]) => {
      const vector = vectors[name];
      if (vector === undefined || vector.elements < elements)
        throw new SltrainError({
          code: "vector-too-small",
          message: `${device} device: the program needs ${elements} elements in ${name} but got ${vector?.elements ?? "no such vector"}`,
        });
      return [name, own(vector)];
    }),
  );
}
