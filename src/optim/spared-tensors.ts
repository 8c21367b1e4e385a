// Which tensors weight decay spares, by what users write: `vectors`, or names such as `bias,gamma`.

import { SltrainError } from "../errors.ts";
import type { Layout, LayoutEntry } from "../shard/layout.ts";

export interface Spares {
  readonly spec: string;
  readonly has: (tensor: Pick<LayoutEntry, "name" | "shape">) => boolean;
}

/** Biases and what normalises, by their shape (Goyal et al. 2017, section 5.1). */
const VECTORS = "vectors";

/** Words between commas: `vectors`, or a tensor's name or the last part of it, in which * stands for anything. */
export function parseSpared(spec: string): Spares {
  const words = spec.split(",").map((word) => word.trim());
  if (words.includes("") || words.some((word) => !/^[\w./*-]+$/.test(word)))
    throw new SltrainError({
      code: "tensors-invalid",
      message: `expected vectors, or names of tensors between commas, got ${JSON.stringify(spec)}`,
      suggestions: ["Biases and the gains of batch norm are: vectors, or by name: bias,gamma,beta."],
    });
  const matchers = words.map((word) => matcherOf(word));
  return { spec, has: (tensor) => matchers.some((matches) => matches(tensor)) };
}

function matcherOf(word: string): Spares["has"] {
  if (word === VECTORS) return ({ shape }) => shape.length <= 1;
  const pattern = new RegExp(`^${word.replaceAll(".", "\\.").replaceAll("*", ".*")}$`);
  return ({ name }) => pattern.test(name) || pattern.test(name.slice(name.lastIndexOf("/") + 1));
}

/** Throws SltrainError "tensors-unknown" where a model has no such tensor: the name is misspelt. */
export function refuseUnknownTensors(spares: Spares | undefined, { entries }: Layout): void {
  for (const word of spares?.spec.split(",").map((word) => word.trim()) ?? []) {
    const matches = matcherOf(word);
    if (word === VECTORS || entries.some((tensor) => matches(tensor))) continue;
    const parts = new Set(entries.map(({ name }) => name.slice(name.lastIndexOf("/") + 1)));
    throw new SltrainError({
      code: "tensors-unknown",
      message: `--decay-except: expected names of the model's tensors, got ${word}`,
      suggestions: [`Their names end in ${[...parts].join(", ")}.`],
    });
  }
}
