// As much of tfjs-layers as tests and benches use. It is loaded where it is installed; sltrain itself has no need of it.

import type * as tf from "@tensorflow/tfjs-core";

export interface Model {
  readonly inputs: readonly { readonly shape: readonly (number | null)[] }[];
  compile(settings: { optimizer: string; loss: string }): void;
  fit(
    x: tf.Tensor,
    y: tf.Tensor,
    settings: { batchSize: number; epochs: number; shuffle: boolean; verbose: 0 },
  ): Promise<{ readonly history: Readonly<Record<"loss", readonly number[]>> }>;
  getWeights(): tf.Tensor[];
  setWeights(weights: tf.Tensor[]): void;
  dispose(): void;
}

interface Settings {
  readonly [name: string]: string | number | boolean | readonly number[];
}

export interface TfLayers {
  readonly sequential: (model: { layers: readonly object[] }) => Model;
  readonly layers: Readonly<Record<string, (settings: Settings) => object>>;
}

/** Undefined if tfjs-layers is not installed. */
export async function loadTfLayers(): Promise<TfLayers | undefined> {
  const name: string = "@tensorflow/tfjs-layers";
  try {
    return (await import(name)) as TfLayers;
  } catch (error) {
    if ((error as { code?: string }).code === "ERR_MODULE_NOT_FOUND") return undefined;
    throw error;
  }
}

/** LeNet-5 for 28x28 images with relu, as `sltrain train --model lenet5` has it. */
export function lenet5({ sequential, layers }: TfLayers): Model {
  const layer = (name: string, settings: Settings) => layers[name]!(settings);
  return sequential({
    layers: [
      layer("conv2d", {
        inputShape: [28, 28, 1],
        ...{ filters: 6, kernelSize: 5, padding: "same", activation: "relu" },
      }),
      layer("maxPooling2d", { poolSize: 2 }),
      layer("conv2d", { filters: 16, kernelSize: 5, activation: "relu" }),
      layer("maxPooling2d", { poolSize: 2 }),
      layer("flatten", {}),
      layer("dense", { units: 120, activation: "relu" }),
      layer("dense", { units: 84, activation: "relu" }),
      layer("dense", { units: 10, activation: "softmax" }),
    ],
  });
}
