// `sltrain data import`: a file, a folder or a known data set into storage, under a name.

import { existsSync } from "node:fs";
import { basename, resolve } from "node:path";
import { withoutPacking } from "../data/content-file.ts";
import { checkName, findNamed, giveName } from "../data/catalogue.ts";
import { KNOWN_DATASETS, openSource } from "../data/known.ts";
import { importRecognised, type Imported } from "../data/partition.ts";
import type { OnProgress } from "../data/progress.ts";
import type { PathOptions } from "../data/applicable-options.ts";
import { SltrainError } from "../errors.ts";
import type { Storage } from "../storage/storage.ts";

export interface ImportOptions {
  readonly storage: Storage;
  /** A path, or what `--data` takes otherwise. */
  readonly source: string;
  /** Default: the file's name without its extensions; a known data set has its own. */
  readonly name: string | undefined;
  readonly read: PathOptions;
  readonly seed: number;
  /** Of data that is made. */
  readonly rows: number | undefined;
  readonly onProgress: OnProgress;
}

export interface ImportedData extends Imported {
  readonly name: string;
  /** What a run takes: the name, or, where it was given none, what was imported. */
  readonly trainWith: string;
  readonly elapsedMs: number;
}

/** @throws SltrainError "data-name", and what opening and reading the source throw */
export async function importData(options: ImportOptions): Promise<ImportedData> {
  const { storage, seed, rows, read, onProgress } = options;
  const begin = performance.now();
  const isKnown = Object.hasOwn(KNOWN_DATASETS, options.source.replace(/:.*$/, ""));
  const name = options.name ?? (isKnown ? undefined : nameOf(options.source));
  if (name !== undefined) checkName(name, Object.keys(KNOWN_DATASETS));
  if (!isKnown) await refuseImported(storage, options.source);
  const source = await openSource(options.source, { seed, rows, read, onProgress });
  const imported = await importRecognised(storage, source, {
    onProgress,
    onRecognised: async (id) => {
      if (name !== undefined && options.name === undefined)
        await refuseTaken(storage, name, source.source, id);
    },
  });
  if (name !== undefined) await giveName(storage, name, imported.manifest.id);
  return {
    ...{ name: name ?? source.name, trainWith: name ?? specOf(options), ...imported },
    elapsedMs: performance.now() - begin,
  };
}

function specOf({ source, rows, seed }: ImportOptions): string {
  return [
    source,
    ...(rows === undefined ? [] : [`--rows ${rows}`]),
    ...(seed === 1 ? [] : [`--seed ${seed}`]),
  ].join(" ");
}

/** Somebody takes a name of the storage for a source. */
async function refuseImported(storage: Storage, source: string): Promise<void> {
  if (existsSync(source) || (await findNamed(storage, source)) === undefined) return;
  throw new SltrainError({
    code: "data-name",
    message: `${source}: expected a path or the name of a known data set, got the name of one that ${storage.uri} has already`,
    suggestions: [
      `See it with \`sltrain data show ${source}\`, or train on it: --data ${source}.`,
      `Import a file under that name: \`sltrain data import PATH --name ${source}\`.`,
    ],
  });
}

/** A name that nobody gave takes none away from another source. */
async function refuseTaken(storage: Storage, name: string, source: string, id: string): Promise<void> {
  const named = await findNamed(storage, name);
  if (named === undefined || named.source === source || named.id === id) return;
  throw new SltrainError({
    code: "data-name",
    message: `${source}: expected a name that is free, got ${name}, which means the data of ${named.source}`,
    suggestions: [`Choose another: --name ${name}-2; or give it to this one: --name ${name}.`],
  });
}

/** Of files, whose names are not for people. */
const ENDINGS = /(?!^)\.(csv|tsv|txt|text|md|data|libsvm|svm|npy|npz|parquet|tfrecords?|bin)$/i;
const MAX_NAME_LENGTH = 64;

/** samples/higgs.csv.bz2 -> higgs; of `.` the folder's own name. */
function nameOf(source: string): string {
  const file = withoutPacking(basename(resolve(source)));
  return file
    .replace(ENDINGS, "")
    .replaceAll(/[^A-Za-z0-9._-]+/g, "-")
    .replace(/^[^A-Za-z0-9]+/, "")
    .slice(0, MAX_NAME_LENGTH);
}
