// The models that come with sltrain, in one list: `--model NAME`. Each fits itself to the data's shape.

import {
  conv2d,
  dense,
  flatten,
  kMeans,
  localResponseNormalization,
  maxPooling2d,
  sequential,
} from "./compose.ts";
import { gpt, gptNano } from "./gpt.ts";
import { answer, channelsAt, flat, image, type ModelIo, type ModelSizes } from "./model-io.ts";
import { hingeLoss, softmaxLoss, type OwnLoss } from "./model-loss.ts";
import { mobileNet } from "./mobilenet.ts";
import { resNet, resNet20, resNet32, resNet34, resNet50, smallResNet } from "./resnet.ts";
import type { Topology } from "./topology.ts";
import { vgg, vgg19 } from "./vgg.ts";

export interface BuiltinModel {
  readonly name: string;
  readonly description: string;
  readonly topology: (io: ModelIo) => Topology;
  /** Sizes that its user may choose. */
  readonly takes?: readonly (keyof ModelSizes)[];
  /** Of a model that is defined by its loss; absent: the data decides. */
  readonly loss?: OwnLoss;
}

export const builtinModels: readonly BuiltinModel[] = [
  {
    name: "lr",
    description: "logistic regression: one dense layer",
    topology: (io) => sequential("lr", io.inputShape, [...flat(io), answer(io)]),
  },
  {
    name: "softmax",
    description: "multinomial logistic regression: lr with an output for each class, also of two",
    topology: (io) => sequential("softmax", io.inputShape, [...flat(io), answer(io)]),
    loss: softmaxLoss,
  },
  {
    name: "svm",
    description: "linear support vector machine, one against the rest; its outputs are scores (`hinge`)",
    topology: (io) => sequential("svm", io.inputShape, [...flat(io), dense(io.outputs)]),
    loss: hingeLoss,
  },
  {
    name: "kmeans",
    description: "k-means: --clusters centroids, by --algorithm em",
    topology: (io) => sequential("kmeans", io.inputShape, [...flat(io), kMeans(io.outputs)]),
    loss: () => "inertia",
  },
  {
    name: "mlp",
    description: "hidden layers of --hidden units, else one of 512 (784-512-10 on 28x28 images)",
    topology: (io) => {
      const hidden = (io.hidden ?? [512]).map((units) => dense(units, "relu"));
      return sequential("mlp", io.inputShape, [...flat(io), ...hidden, answer(io)]);
    },
    takes: ["hidden"],
  },
  {
    name: "lenet5",
    description: "LeNet-5 with relu and max-pooling (LeCun et al. 1998; 61,706 parameters on 28x28x1)",
    topology: (io) =>
      sequential("lenet5", image("lenet5", io, 12), [
        conv2d(6, [5, 5], { activation: "relu" }),
        maxPooling2d([2, 2]),
        conv2d(16, [5, 5], { padding: "valid", activation: "relu" }),
        maxPooling2d([2, 2]),
        flatten(),
        dense(120, "relu"),
        dense(84, "relu"),
        answer(io),
      ]),
  },
  {
    name: "feng-a",
    description: "five hidden layers of 100 (Feng et al. 2018; 42,601 parameters on 20 features, 1 output)",
    topology: (io) =>
      sequential("feng-a", io.inputShape, [
        ...flat(io),
        ...Array.from({ length: 5 }, () => dense(100, "relu")),
        answer(io),
      ]),
  },
  {
    name: "cifar-cnn",
    description:
      "TensorFlow's CIFAR-10 tutorial network of 2018, on whole images (1,756,426 parameters on 32x32x3)",
    topology: cifarCnn,
  },
  {
    name: "resnet20",
    description: "residual network for small images (He et al. 2015, 4.2; 272,474 parameters on 32x32x3)",
    topology: (io) => smallResNet("resnet20", widened(resNet20, io), io),
    takes: ["width"],
  },
  {
    name: "resnet32",
    description: "the same with five blocks a stage (466,906 parameters on 32x32x3)",
    topology: (io) => smallResNet("resnet32", widened(resNet32, io), io),
    takes: ["width"],
  },
  {
    name: "resnet34",
    description:
      "residual network for photos (He et al. 2015, table 1; 21.8 million parameters on 224x224x3)",
    topology: (io) => resNet("resnet34", widened(resNet34, io), io),
    takes: ["width"],
  },
  {
    name: "resnet50",
    description: "the same with bottlenecks (25.6 million parameters on 224x224x3)",
    topology: (io) => resNet("resnet50", widened(resNet50, io), io),
    takes: ["width"],
  },
  {
    name: "mobilenet",
    description:
      "depthwise separable convolutions (Howard et al. 2017, table 1; 4.2 million parameters on 224x224x3)",
    topology: (io) => mobileNet("mobilenet", { alpha: io.width ?? 1 }, io),
    takes: ["width"],
  },
  {
    name: "gpt-nano",
    description: "decoder-only transformer for text (as nanoGPT; 818,176 parameters on 64 of 65 characters)",
    topology: (io) => {
      const { layers = gptNano.layers, heads = gptNano.heads } = io;
      return gpt("gpt-nano", { ...widened(gptNano, io), layers, heads }, io);
    },
    takes: ["layers", "heads", "width"],
  },
  {
    name: "vgg19",
    description: "VGG of 19 layers (Simonyan and Zisserman 2014; 143.7 million parameters on 224x224x3)",
    topology: (io) => vgg("vgg19", widened(vgg19, io), io),
    takes: ["width"],
  },
];

function widened<S extends { readonly width: number }>(sizes: S, { width = 1 }: ModelIo): S {
  return { ...sizes, width: channelsAt(width, sizes.width) };
}

/** Two convolutions with pools and local response normalisation, in the tutorial's two different orders. */
function cifarCnn(io: ModelIo): Topology {
  const norm = localResponseNormalization({ depthRadius: 4, bias: 1, alpha: 0.001 / 9, beta: 0.75 });
  const pool = maxPooling2d([3, 3], { strides: [2, 2], padding: "same" });
  return sequential("cifar-cnn", image("cifar-cnn", io, 8), [
    ...[conv2d(64, [5, 5], { activation: "relu" }), pool, norm],
    ...[conv2d(64, [5, 5], { activation: "relu" }), norm, pool],
    ...[flatten(), dense(384, "relu"), dense(192, "relu"), answer(io)],
  ]);
}
