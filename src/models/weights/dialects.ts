// Names that others give to the layers of built-in models, as data. Keras: keras.applications of TensorFlow 2.15. torchvision: 0.20.

/** By our layer's name: theirs. */
export type LayerNames = Readonly<Record<string, string>>;

export interface Dialect {
  readonly name: "Keras" | "torchvision";
  readonly layers: LayerNames;
}

/** Counted as Composer counts: dense, dense_1, dense_2. */
function numbered(base: string, theirs: readonly string[]): LayerNames {
  return Object.fromEntries(theirs.map((name, index) => [index === 0 ? base : `${base}_${index}`, name]));
}

const VGG19_BLOCKS = [2, 2, 4, 4, 4];
/** Behind each convolution comes a relu, behind each block a pool: all of them count there. */
const VGG19_TORCH = [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34];
const MOBILENET_BLOCKS = Array.from({ length: 13 }, (_, index) => index + 1);

/** By our model's name. */
export const dialects: Readonly<Record<string, readonly Dialect[]>> = {
  vgg19: [
    {
      name: "Keras",
      layers: {
        ...numbered(
          "conv2d",
          VGG19_BLOCKS.flatMap((count, block) =>
            Array.from({ length: count }, (_, index) => `block${block + 1}_conv${index + 1}`),
          ),
        ),
        ...numbered("dense", ["fc1", "fc2", "predictions"]),
      },
    },
    {
      name: "torchvision",
      layers: {
        ...numbered(
          "conv2d",
          VGG19_TORCH.map((place) => `features.${place}`),
        ),
        ...numbered("dense", ["classifier.0", "classifier.3", "classifier.6"]),
      },
    },
  ],
  mobilenet: [
    {
      name: "Keras",
      layers: {
        ...numbered("conv2d", ["conv1", ...MOBILENET_BLOCKS.map((block) => `conv_pw_${block}`)]),
        ...numbered(
          "depthwise_conv2d",
          MOBILENET_BLOCKS.map((block) => `conv_dw_${block}`),
        ),
        ...numbered("batch_normalization", [
          "conv1_bn",
          ...MOBILENET_BLOCKS.flatMap((block) => [`conv_dw_${block}_bn`, `conv_pw_${block}_bn`]),
        ]),
        dense: "conv_preds",
      },
    },
  ],
};
