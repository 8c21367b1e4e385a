// A run may train only the end of its model, on features that the frozen beginning made ahead. What others see of the run is the
// whole.

import { layoutOf } from "../graph/graph.ts";
import { buildModel } from "../models/build.ts";
import { tensorsOf, type NamedTensor } from "../models/safetensors.ts";
import type { Storage } from "../storage/storage.ts";
import type { Extraction, RunManifest } from "./records.ts";
import { loadWeights } from "./stored-weights.ts";

/** The model from the data set's rows to its answers, and that data set. */
export function wholeOf({
  extraction,
  topology,
  data,
}: Pick<RunManifest, "extraction" | "topology" | "data">): Pick<RunManifest, "topology" | "data"> {
  return extraction ?? { topology, data };
}

/** The frozen beginning's tensors, all in one vector. Throws "weights-damaged". */
export async function extractorTensors(
  storage: Storage,
  { extractor, stored }: Pick<Extraction, "extractor" | "stored">,
): Promise<readonly (NamedTensor & { readonly data: Float32Array })[]> {
  const { frozen } = buildModel(extractor, 1, { training: false }).graph;
  const layout = layoutOf(frozen);
  const values = new Float32Array(layout.length);
  await loadWeights(storage, stored, { mirror: () => values, write: () => undefined });
  return tensorsOf(values, layout);
}
