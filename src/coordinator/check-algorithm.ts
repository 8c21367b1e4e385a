// Whether the algorithm trains models of this kind: told by the model's layers, whatever its name.

import type { TrainConfig } from "../config/schema.ts";
import { SltrainError } from "../errors.ts";
import type { Topology } from "../models/topology.ts";

type Algorithm = TrainConfig["algorithm"];

/** Throws SltrainError "algorithm-misfit" with the reason. */
export function refuseMisfit(algorithm: Algorithm, topology: Topology): void {
  const reason = misfit(algorithm, topology);
  if (reason === undefined) return;
  throw new SltrainError({
    code: "algorithm-misfit",
    message: `--algorithm ${algorithm}: expected a model that it trains, got ${topology.name}: ${reason.because}`,
    suggestions: [reason.instead],
  });
}

interface Reason {
  readonly because: string;
  readonly instead: string;
}

function misfit(algorithm: Algorithm, topology: Topology): Reason | undefined {
  const clusters = topology.layers.some(({ className }) => className === "KMeans");
  if (algorithm === "em") {
    return clusters
      ? undefined
      : {
          because: "em finds clusters, and this model has none: its parameters are no means of rows",
          instead: "Use --model kmeans, or leave out --algorithm.",
        };
  }
  if (clusters) {
    return {
      because: "clusters have no gradient, for a row belongs to one or to another",
      instead: "Use --algorithm em.",
    };
  }
  if (algorithm === "admm" && !isLinear(topology)) {
    return {
      because:
        "its ranks agree on the least loss only where the loss is convex in the parameters, as that of one dense layer is",
      instead: "Use --model lr, softmax or svm, or --algorithm local-sgd, which averages models of any kind.",
    };
  }
  return undefined;
}

/** One dense layer behind nothing but reshapes; what it ends in is its loss's own link (models/build.ts). */
function isLinear({ layers }: Topology): boolean {
  const trained = layers.filter(({ className }) => className !== "Flatten" && className !== "Activation");
  return trained.length === 1 && trained[0]!.className === "Dense" && layers.every(endsInLink);
}

function endsInLink(layer: Topology["layers"][number]): boolean {
  return !("activation" in layer) || ["linear", "sigmoid", "softmax"].includes(layer.activation);
}
