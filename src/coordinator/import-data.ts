// `sltrain data import`: a file, a folder or a known data set into storage, under a name.

import { basename } from "node:path";
import { checkName, findNamed, giveName } from "../data/catalogue.ts";
import { KNOWN_DATASETS, openSource } from "../data/known.ts";
import { readManifest, type DataManifest } from "../data/manifest.ts";
import { importRecognised } from "../data/partition.ts";
import { fingerprint } from "../data/source.ts";
import type { PathOptions } from "../data/applicable-options.ts";
import { SltrainError } from "../errors.ts";
import type { Storage } from "../storage/storage.ts";

export interface ImportOptions {
  readonly storage: Storage;
  /** A path, or what `--data` takes otherwise. */
  readonly source: string;
  /** Default: the file's name without its extensions. */
  readonly name: string | undefined;
  readonly read: PathOptions;
  readonly seed: number;
  /** Of data that is made. */
  readonly rows: number | undefined;
  readonly onProgress: (progress: ImportProgress) => void;
}

export interface ImportProgress {
  readonly rows: number;
  readonly elapsedMs: number;
}

export interface ImportedData {
  readonly name: string;
  readonly manifest: DataManifest;
  /** Storage had it: nothing was decoded. */
  readonly wasThere: boolean;
  /** Of the files that were read. */
  readonly sourceBytes: number;
  readonly elapsedMs: number;
}

/** @throws SltrainError "data-name", and what opening and reading the source throw */
export async function importData(options: ImportOptions): Promise<ImportedData> {
  const { storage, seed, rows, read, onProgress } = options;
  const begin = performance.now();
  const elapsedMs = () => performance.now() - begin;
  const isKnown = Object.hasOwn(KNOWN_DATASETS, options.source.replace(/:.*$/, ""));
  const name = options.name ?? nameOf(options.source);
  // A known data set may be imported beforehand, under its own name.
  checkName(name, isKnown && options.name === undefined ? [] : Object.keys(KNOWN_DATASETS));
  const source = await openSource(options.source, { seed, rows, read });
  if (options.name === undefined) await refuseTaken(storage, name, source.source);
  const recognised = await fingerprint(source);
  const wasThere = (await readManifest(storage, recognised.id)) !== undefined;
  const manifest = await importRecognised(storage, source, recognised, {
    onRows: (rows) => onProgress({ rows, elapsedMs: elapsedMs() }),
  });
  if (!isKnown || options.name !== undefined) await giveName(storage, name, manifest.id);
  return { name, manifest, wasThere, sourceBytes: recognised.sizeBytes, elapsedMs: elapsedMs() };
}

/** A name that nobody gave takes none away from another source. */
async function refuseTaken(storage: Storage, name: string, source: string): Promise<void> {
  const named = await findNamed(storage, name);
  if (named === undefined || named.source === source) return;
  throw new SltrainError({
    code: "data-name",
    message: `${source}: expected a name that is free, got ${name}, which means the data of ${named.source}`,
    suggestions: [`Choose another: --name ${name}-2; or give it to this one: --name ${name}.`],
  });
}

/** samples/higgs.csv.gz -> higgs; of `synthetic:higgs` synthetic-higgs. */
function nameOf(source: string): string {
  const file = basename(source).replace(
    /(?!^)\.(csv|tsv|txt|data|libsvm|svm|npy|npz|parquet|tfrecord|gz|zst|bin)$/i,
    "",
  );
  return file === basename(source) ? file.replaceAll(/[^A-Za-z0-9._-]+/g, "-") : nameOf(file);
}
