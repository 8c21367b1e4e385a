// `sltrain data transform`: a stored data set through steps into another one, under a name of its own.

import { checkName, findDataset, giveName } from "../data/catalogue.ts";
import { KNOWN_DATASETS } from "../data/known.ts";
import type { DataManifest } from "../data/manifest.ts";
import { parseSteps } from "../data/transform/parse-steps.ts";
import { transformId } from "../data/transform/job.ts";
import { runHere, transformDataset } from "../data/transform/transform-dataset.ts";
import type { Storage } from "../storage/storage.ts";
import type { ImportProgress } from "./import-data.ts";

export interface TransformOptions {
  readonly storage: Storage;
  /** Name or id of a stored data set. */
  readonly from: string;
  readonly to: string;
  /** As `--steps` takes them. */
  readonly steps: string;
  readonly onProgress: (progress: ImportProgress) => void;
}

export interface TransformedData {
  readonly name: string;
  readonly manifest: DataManifest;
  readonly elapsedMs: number;
}

/** @throws SltrainError "data-unknown", "data-name", "data-transform", and what storage throws */
export async function transformData(options: TransformOptions): Promise<TransformedData> {
  const { storage, to: name, onProgress } = options;
  const begin = performance.now();
  const elapsedMs = () => performance.now() - begin;
  const steps = parseSteps(options.steps);
  checkName(name, Object.keys(KNOWN_DATASETS));
  const { manifest: from } = await findDataset(storage, options.from);
  const id = transformId({ from, name, steps });
  const manifest = await transformDataset({ storage, id, name, from, steps }, async function* (...of) {
    let rows = 0;
    for await (const [part, result] of runHere(...of)) {
      rows += part.rows.end - part.rows.begin;
      onProgress({ rows, elapsedMs: elapsedMs() });
      yield [part, result];
    }
  });
  await giveName(storage, name, manifest.id);
  return { name, manifest, elapsedMs: elapsedMs() };
}
