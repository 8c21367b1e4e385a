// Initial parameters: a function of seed and name alone, so that every rank starts equal with nothing exchanged.

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

/** Writes the tensors to their places in the flat vector `into`; the padding between them is left alone. */
export function initializeParameters(
  parameters: readonly Parameter[],
  seed: number,
  into: Float32Array,
): void {
  for (const { name, offset, length, initializer } of parameters) {
    assert(
      offset + length <= into.length,
      `${name} ends at ${offset + length}, the vector at ${into.length}`,
    );
    const next = sampler(initializer, new RandomStream(seed, `init:${name}`));
    for (let i = 0; i < length; i++) into[offset + i] = next();
  }
}
