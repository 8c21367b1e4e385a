// Whether a model reads the rows of a data set sparse: where they are stored so and have no offset, and where it begins with
// products. Other models see all features of a row.

import { keepsZeros } from "../data/csr-batch.ts";
import type { DataManifest } from "../data/manifest.ts";
import { inputsOf, MODEL_INPUT, type Topology } from "../models/topology.ts";

/** The model over such rows, with room for the longest of them. */
export function overRows(
  topology: Topology,
  {
    featureType,
    transform,
    maxRowNonZeros,
  }: Pick<DataManifest, "featureType" | "transform" | "maxRowNonZeros">,
): Topology {
  const { sparse: _, ...dense } = topology;
  const wiring = inputsOf(topology.layers);
  const begins = topology.layers.filter((_, i) => wiring[i]!.includes(MODEL_INPUT));
  const multiplies = begins.every(({ className }) => className === "Dense");
  if (featureType !== "csr" || !keepsZeros(transform) || !multiplies) return dense;
  return { ...dense, sparse: { maxRowNonZeros: maxRowNonZeros ?? 0 } };
}
