// On what data each built-in model is benched: a sample's shape, and as many samples as a step of it commonly has.

import { builtinModels, type BuiltinModel, type ModelIo } from "../../src/models/builtin.ts";
import type { Topology } from "../../src/models/topology.ts";

export interface ModelExample {
  readonly model: BuiltinModel;
  readonly topology: Topology;
  readonly batchSize: number;
}

interface Example extends ModelIo {
  readonly batchSize: number;
}

const digits: Example = { inputShape: [28, 28, 1], outputs: 10, batchSize: 128 };
const smallPhotos: Example = { inputShape: [32, 32, 3], outputs: 10, batchSize: 128 };
const photos: Example = { inputShape: [224, 224, 3], outputs: 1000, batchSize: 8 };

/** Models that are not made for images of digits. */
const EXAMPLES: Readonly<Record<string, Example>> = {
  "feng-a": { inputShape: [20], outputs: 1, batchSize: 128 },
  "cifar-cnn": smallPhotos,
  resnet34: photos,
  resnet50: photos,
  mobilenet: photos,
  vgg19: { ...photos, batchSize: 2 },
};

/** Every built-in model, in the order of their list. */
export function modelExamples(): readonly ModelExample[] {
  return builtinModels.map((model) => {
    const { batchSize, ...io } = EXAMPLES[model.name] ?? digits;
    return { model, topology: model.topology(io), batchSize };
  });
}
