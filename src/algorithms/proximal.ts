// What a penalty makes of a point (Boyd et al. 2011, sections 4.4.3 and 6.3): of l1 ||z||_1 + l2/2 ||z||^2, whose minimum
// together with rho/2 ||z - v||^2 is the soft threshold of v, shrunk.

import type { Spares } from "../optim/spared-tensors.ts";
import type { Layout } from "../shard/layout.ts";

export interface Penalty {
  readonly l1: number;
  readonly l2: number;
  /** Elements [begin, end) of the flat vector that it is of. */
  readonly ranges: readonly { readonly begin: number; readonly end: number }[];
}

export function penaltyOf(
  { l1, l2 }: Pick<Penalty, "l1" | "l2">,
  { entries }: Layout,
  spares: Spares | undefined,
): Penalty {
  const penalised = entries.filter((tensor) => spares?.has(tensor) !== true);
  return { l1, l2, ranges: penalised.map(({ offset, length }) => ({ begin: offset, end: offset + length })) };
}

/** `point` is v, and becomes z. */
export function proximal(point: Float32Array, { l1, l2, ranges }: Penalty, rho: number): void {
  for (const { begin, end } of ranges) {
    for (let i = begin; i < end; i++) {
      const size = Math.max(0, rho * Math.abs(point[i]!) - l1);
      point[i] = (Math.sign(point[i]!) * size) / (rho + l2);
    }
  }
}
