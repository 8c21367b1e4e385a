// A block's rows as they are stored, with what is measured of them: a pure function, for any thread.

import { type BlockRows, encodeBlock, type EncodedBlock } from "../block.ts";
import { isSparse } from "../feature-rows.ts";
import { Moments } from "./statistics.ts";

/** Survives a structured clone. */
export interface PackPlan {
  /** Features of a row, stored or not. */
  readonly rowElements: number;
  /** Which moments are wanted: of each feature, of all together, or none. */
  readonly moments: "per-feature" | "all" | "none";
}

export interface PackedBlock {
  readonly block: EncodedBlock;
  /** For `Moments.merge`; undefined where none are wanted. */
  readonly moments: Float64Array | undefined;
  /** The most that a row has; 0 of dense rows. */
  readonly maxRowNonZeros: number;
}

export function packBlock(rows: BlockRows, count: number, plan: PackPlan): PackedBlock {
  const { features } = rows;
  let maxRowNonZeros = 0;
  if (isSparse(features)) {
    const { rowStarts } = features;
    for (let row = 0; row < count; row++)
      maxRowNonZeros = Math.max(maxRowNonZeros, rowStarts[row + 1]! - rowStarts[row]!);
  }
  const moments =
    plan.moments === "none" ? undefined : new Moments(plan.rowElements, plan.moments === "per-feature");
  moments?.add(features, count);
  const block = encodeBlock(rows, count, plan.rowElements);
  return { block, moments: moments?.state(), maxRowNonZeros };
}
