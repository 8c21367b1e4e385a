// k-means as expectation maximisation (LambdaML 2021, section 3.2.1; Lloyd 1982): each rank assigns its own rows to the
// nearest centroids and adds them up by cluster, the ranks' sums are added, and all compute the same next centroids. A step
// is one over all rows; a rank's rows stay on its device where it has room for them.

import type { Layout } from "../shard/layout.ts";
import { type Algorithm, type AlgorithmOptions, outcomeOf, scalarsOf, vectorsOf } from "./algorithm.ts";
import { type ClusterSums, maximise } from "./maximise.ts";
import { meanOfSums } from "./mean-of-sums.ts";
import { RowPass } from "./row-pass.ts";

export interface EmOptions extends AlgorithmOptions {
  /** Done when the inertia sinks by a smaller share. */
  readonly tolerance: number;
  /** Of the run: says where the halves of a divided cluster go. */
  readonly seed: number;
}

/** Begins with the centroids that the replica has. */
export function em(options: EmOptions): Algorithm {
  const { replica, tolerance, seed } = options;
  const pass = new RowPass(replica);
  const parametersEnd = replica.parameters.length;
  const sums = new Float32Array(parametersEnd + replica.statistics.length);
  /** Of the step before, mean over the rows, as it is stored; Infinity before the first. */
  const lastInertia = Float32Array.of(Infinity);
  return {
    async step({ step, rows, stopVote }) {
      const own = rows && (await pass.run(rows, step));
      sums.fill(0);
      if (own) {
        sums.set(own.gradients);
        sums.set(own.statistics, parametersEnd);
      }
      const scalars = scalarsOf(own ?? { loss: 0, correct: 0 }, stopVote);
      const result = await meanOfSums(options, { step, weight: rows?.count ?? 0, sums, scalars });
      const statistics = sums.subarray(parametersEnd);
      const parameters = (await replica.read("parameters")).slice();
      maximise(clusterSums(replica, sums, statistics), viewOf(replica.parameters, parameters), {
        ...{ seed, step },
      });
      replica.write("parameters", parameters);
      replica.write("statistics", statistics);
      const outcome = outcomeOf(result);
      const [before, after] = [lastInertia[0]!, Math.fround(outcome.loss)];
      lastInertia[0] = after;
      return { ...outcome, converged: Number.isFinite(before) && before - after <= tolerance * before };
    },
    state: async () => ({
      shared: { ...(await vectorsOf(replica, ["parameters", "statistics"])), "em.inertia": lastInertia },
      own: {},
    }),
    restore({ shared: { "em.inertia": inertia, ...vectors } }) {
      lastInertia.set(inertia!);
      for (const [name, values] of Object.entries(vectors)) replica.write(name, values);
    },
  };
}

/** As models/layers.ts places them: one parameter, and two statistics by cluster. */
function clusterSums(
  { parameters, statistics: layout }: { readonly parameters: Layout; readonly statistics: Layout },
  sums: Float32Array,
  statistics: Float32Array,
): ClusterSums {
  const [counts, inertias] = layout.entries.map(({ offset, length }) =>
    statistics.subarray(offset, offset + length),
  ) as [Float32Array, Float32Array];
  return { rows: viewOf(parameters, sums), counts, inertias };
}

function viewOf({ entries: [centroids] }: Layout, vector: Float32Array): Float32Array {
  return vector.subarray(centroids!.offset, centroids!.offset + centroids!.length);
}
