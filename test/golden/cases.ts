// Models whose training is held to PyTorch's: every built-in one, in a size that trains within seconds.

import { fileURLToPath } from "node:url";
import { gpt } from "../../src/models/gpt.ts";
import { loadModel } from "../../src/models/load-model.ts";
import { mobileNet } from "../../src/models/mobilenet.ts";
import { resNet, resNet20, resNet32, resNet34, resNet50, smallResNet } from "../../src/models/resnet.ts";
import type { Topology } from "../../src/models/topology.ts";
import { vgg, vgg19 } from "../../src/models/vgg.ts";

export interface GoldenCase {
  readonly name: string;
  readonly topology: Topology;
}

async function loaded(name: string, inputShape: readonly number[], outputs: number): Promise<GoldenCase> {
  return { name, topology: await loadModel(name, { inputShape, outputs }) };
}

/** Rows may be full. */
async function sparse(name: string, features: number, outputs: number): Promise<GoldenCase> {
  const { topology } = await loaded(name, [features], outputs);
  return { name: `${name}-sparse`, topology: { ...topology, sparse: { maxRowNonZeros: features } } };
}

/** Deep models are thin ones here, and shallow where rounding errors would grow. */
export const goldenCases: readonly GoldenCase[] = [
  await loaded("lr", [28, 28, 1], 10),
  await loaded("softmax", [20], 2),
  await loaded("svm", [20], 4),
  { ...(await loaded("svm", [20], 1)), name: "svm-squared" },
  await sparse("lr", 90, 1),
  await sparse("softmax", 90, 3),
  await sparse("svm", 90, 4),
  await loaded("mlp", [28, 28, 1], 10),
  await loaded("lenet5", [28, 28, 1], 10),
  // Label smoothing, clipped gradients, decay of some tensors, schedules.
  { ...(await loaded("lenet5", [28, 28, 1], 10)), name: "lenet5-recipe" },
  { ...(await loaded("mlp", [28, 28, 1], 10)), name: "mlp-recipe" },
  await loaded("feng-a", [20], 1),
  {
    name: "tanh-avg-pool",
    topology: await loadModel(fileURLToPath(new URL("tanh-avg-pool.model.json", import.meta.url)), {
      inputShape: [11, 9, 3],
      outputs: 3,
    }),
  },
  await loaded("cifar-cnn", [8, 9, 3], 10),
  {
    name: "resnet20",
    topology: smallResNet("resnet20", { ...resNet20, width: 8 }, { inputShape: [9, 8, 1], outputs: 10 }),
  },
  {
    name: "resnet32",
    topology: smallResNet("resnet32", { ...resNet32, width: 4 }, { inputShape: [8, 9, 3], outputs: 10 }),
  },
  {
    name: "resnet34",
    topology: resNet(
      "resnet34",
      { ...resNet34, blocks: [2, 3, 2, 2], width: 4 },
      { inputShape: [33, 32, 3], outputs: 10 },
    ),
  },
  {
    name: "resnet50",
    topology: resNet(
      "resnet50",
      { ...resNet50, blocks: [1, 2, 1, 1], width: 4 },
      { inputShape: [32, 33, 3], outputs: 10 },
    ),
  },
  {
    name: "mobilenet",
    topology: mobileNet("mobilenet", { alpha: 0.125, blocks: 6 }, { inputShape: [32, 33, 3], outputs: 10 }),
  },
  {
    name: "gpt-nano",
    topology: gpt(
      "gpt-nano",
      { layers: 2, heads: 3, width: 12 },
      { inputShape: [29], outputs: 11, tokens: true },
    ),
  },
  {
    name: "vgg19",
    topology: vgg("vgg19", { ...vgg19, width: 2, units: 16 }, { inputShape: [32, 32, 3], outputs: 10 }),
  },
];
