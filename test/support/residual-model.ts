import { add, batchNormalization, Composer, dense } from "../../src/models/compose.ts";
import type { Topology } from "../../src/models/topology.ts";

export const FEATURES = 6;

/** A residual block over rows, as small as it gets: dense, batch_normalization, dense_1, add, dense_2. */
export function residual(): Topology {
  const composer = new Composer();
  const first = composer.add(dense(FEATURES));
  composer.add(batchNormalization({ momentum: 0.5 }));
  const main = composer.add(dense(FEATURES, "relu"));
  composer.add(add(), main, first);
  composer.add(dense(3, "softmax"));
  return composer.topology("residual", [FEATURES]);
}
