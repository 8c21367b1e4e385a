// Initial parameters: a function of seed and name alone, so that every rank starts equal with nothing exchanged.

import { setImmediate } from "node:timers/promises";
import { assert } from "../errors.ts";
import { RandomStream } from "../random.ts";
import type { Initializer, Parameter } from "./graph.ts";

/**
 * Source of one tensor's elements. Glorot and Bengio 2010, equation 16 (Keras's "glorot_uniform"); He et al. 2015,
 * equation 10 (PyTorch's `kaiming_normal_`, not truncated).
 */
function sampler(initializer: Initializer, random: RandomStream): () => number {
  switch (initializer.kind) {
    case "zeros":
      return () => 0;
    case "ones":
      return () => 1;
    case "glorot-uniform": {
      const limit = Math.sqrt(6 / (initializer.fanIn + initializer.fanOut));
      return () => (2 * random.nextUniform() - 1) * limit;
    }
    case "he-normal": {
      const deviation = Math.sqrt(2 / initializer.fanIn);
      return () => random.nextNormal() * deviation;
    }
    case "normal":
      return () => random.nextNormal() * initializer.deviation;
  }
}

/** The values of one tensor from its first on: each call writes those that follow. */
export function initialValues(
  { name, initializer }: Pick<Parameter, "name" | "initializer">,
  seed: number,
): (into: Float32Array) => void {
  const next = sampler(initializer, new RandomStream(seed, `init:${name}`));
  return (into) => {
    for (let i = 0; i < into.length; i++) into[i] = next();
  };
}

/** Writes the tensors to their places in the flat vector `into`; the padding between them is left alone. */
export function initializeParameters(
  parameters: readonly Parameter[],
  seed: number,
  into: Float32Array,
): void {
  for (const parameter of parameters) initialValues(parameter, seed)(placeOf(parameter, into));
}

/** Between two looks at what else there is to do: heartbeats, signals. Some tens of milliseconds. */
const SLICE_ELEMENTS = 2 ** 18;

/** As `initializeParameters`, giving way to the event loop: large models take tens of seconds. */
export async function initializeInSlices(
  parameters: readonly Parameter[],
  seed: number,
  into: Float32Array,
): Promise<void> {
  for (const parameter of parameters)
    await fillInSlices(initialValues(parameter, seed), placeOf(parameter, into));
}

/** `fill` on one slice of `into` after the other. */
export async function fillInSlices(fill: (into: Float32Array) => void, into: Float32Array): Promise<void> {
  for (let begin = 0; begin < into.length; begin += SLICE_ELEMENTS) {
    fill(into.subarray(begin, begin + SLICE_ELEMENTS));
    if (into.length > SLICE_ELEMENTS) await setImmediate();
  }
}

function placeOf({ name, offset, length }: Parameter, into: Float32Array): Float32Array {
  const end = offset + length;
  assert(end <= into.length, `${name} ends at ${end}, the vector at ${into.length}`);
  return into.subarray(offset, end);
}
