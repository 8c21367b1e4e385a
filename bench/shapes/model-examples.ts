// On what data each built-in model is benched: a sample's shape, and as many samples as a step of it commonly has.

import { SltrainError } from "../../src/errors.ts";
import { nearestName } from "../../src/nearest-name.ts";
import { builtinModels, type BuiltinModel } from "../../src/models/builtin.ts";
import type { ModelIo } from "../../src/models/model-io.ts";
import type { Topology } from "../../src/models/topology.ts";

export interface ModelExample {
  readonly model: BuiltinModel;
  readonly topology: Topology;
  /** Of a training step. */
  readonly batchSize: number;
  /** Batches whose kernels are benched. */
  readonly kernelBatches: readonly number[];
  /** Large ones are left out of quick benches; a huge one's steps take gigabytes: only on request. */
  readonly size: "small" | "large" | "huge";
}

interface Example extends ModelIo {
  readonly batchSize: number;
  readonly kernelBatches: readonly number[];
  readonly size: ModelExample["size"];
}

const digits: Example = {
  inputShape: [28, 28, 1],
  outputs: 10,
  batchSize: 128,
  kernelBatches: [128, 32, 1],
  size: "small",
};
const photos: Example = {
  inputShape: [224, 224, 3],
  outputs: 1000,
  batchSize: 8,
  kernelBatches: [8],
  size: "large",
};

/** Models that are not made for images of digits, or too large for many batches. */
const EXAMPLES: Readonly<Record<string, Example>> = {
  "feng-a": { ...digits, inputShape: [20], outputs: 1 },
  "cifar-cnn": { ...digits, inputShape: [32, 32, 3], kernelBatches: [128] },
  resnet20: { ...digits, kernelBatches: [128, 32] },
  resnet32: { ...digits, kernelBatches: [128] },
  resnet34: { ...photos, kernelBatches: [32] },
  resnet50: photos,
  mobilenet: photos,
  // nanoGPT's for Shakespeare by the letter, on a processor.
  "gpt-nano": {
    ...{ inputShape: [64], outputs: 65, tokens: true },
    ...{ batchSize: 12, kernelBatches: [12], size: "small" },
  },
  vgg19: { ...photos, batchSize: 2, kernelBatches: [2], size: "huge" },
};

/** Throws SltrainError "bench-nothing" for a model that is not built in, with the one that was probably meant. */
export function findExample(name: string): ModelExample {
  const examples = modelExamples();
  const found = examples.find(({ model }) => model.name === name);
  if (found !== undefined) return found;
  const known = examples.map(({ model }) => model.name);
  const near = nearestName(name, known);
  throw new SltrainError({
    code: "bench-nothing",
    message: `expected a built-in model to bench, got ${name}`,
    suggestions: [near === undefined ? `The models are ${known.join(", ")}.` : `Did you mean ${near}?`],
  });
}

/** Every built-in model, in the order of their list. */
export function modelExamples(): readonly ModelExample[] {
  return builtinModels.map((model) => {
    const { batchSize, kernelBatches, size, ...io } = EXAMPLES[model.name] ?? digits;
    return { model, topology: model.topology(io), batchSize, kernelBatches, size };
  });
}
