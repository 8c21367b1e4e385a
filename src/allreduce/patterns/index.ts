// The list of reduce patterns, by what users write: `scatter-reduce`, `scatter-reduce:16`, `tree:1,5,22,100`.

import type { ReducePattern } from "../pattern.ts";
import { hierarchical } from "./hierarchical.ts";
import { reduceInvalid } from "./reduce-invalid.ts";
import { allReduce, scatterReduce } from "./scatter-reduce.ts";
import { tree } from "./tree.ts";

interface Form {
  /** As it is shown to users; brackets hold what may be left out. */
  readonly form: string;
  /** undefined if the parameters make no such pattern. */
  parse(parameters: readonly number[]): ReducePattern | undefined;
}

const forms: Readonly<Record<string, Form>> = {
  "scatter-reduce": { form: "scatter-reduce[:OWNERS]", parse: (given) => atMostOne(given, scatterReduce) },
  "all-reduce": { form: "all-reduce", parse: (given) => (given.length === 0 ? allReduce : undefined) },
  tree: { form: "tree[:1,…,WORKERS]", parse: (given) => (isTree(given) ? tree(nonEmpty(given)) : undefined) },
  hierarchical: { form: "hierarchical[:GROUP]", parse: (given) => atMostOne(given, hierarchical) },
};

export const reduceNames: readonly string[] = Object.keys(forms);

/** Throws SltrainError "reduce-invalid"; whether it fits a number of ranks, `ReducePattern.plan` tells. */
export function parseReduce(spec: string): ReducePattern {
  const [name = "", parameters, ...rest] = spec.split(":");
  const numbers = parameters?.split(",").map(Number) ?? [];
  const whole = rest.length === 0 && numbers.every((number) => Number.isInteger(number) && number >= 1);
  const pattern = whole && Object.hasOwn(forms, name) ? forms[name]!.parse(numbers) : undefined;
  if (pattern !== undefined) return pattern;
  throw reduceInvalid(
    spec,
    `one of ${Object.values(forms)
      .map(({ form }) => form)
      .join(", ")}`,
    ["A tree's layers begin with the root and grow up to the number of workers: tree:1,5,22,100."],
  );
}

function atMostOne(
  given: readonly number[],
  make: (parameter?: number) => ReducePattern,
): ReducePattern | undefined {
  return given.length <= 1 ? make(given[0]) : undefined;
}

function isTree(layers: readonly number[]): boolean {
  const grows = layers.every((size, i) => i === 0 || size > layers[i - 1]!);
  return layers.length === 0 || (layers.length > 1 && layers[0] === 1 && grows);
}

function nonEmpty(layers: readonly number[]): readonly number[] | undefined {
  return layers.length === 0 ? undefined : layers;
}
