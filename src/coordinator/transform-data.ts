// `sltrain data transform`: a stored data set through steps into another one, under a name of its own; here, or on functions.

import { checkName, findDataset, giveName } from "../data/catalogue.ts";
import { KNOWN_DATASETS } from "../data/known.ts";
import { readManifest, type DataManifest } from "../data/manifest.ts";
import type { OnProgress } from "../data/progress.ts";
import { specsOf, transformId, type StagePlan, type TransformJob } from "../data/transform/job.ts";
import { parseSteps } from "../data/transform/parse-steps.ts";
import { runHere, transformDataset } from "../data/transform/transform-dataset.ts";
import type { Storage } from "../storage/storage.ts";
import type { MappingUse } from "./mapping-functions.ts";
import { mapOnFunctions, type FunctionOptions } from "./map-on-functions.ts";

export interface TransformOptions {
  readonly storage: Storage;
  /** Name or id of a stored data set. */
  readonly from: string;
  readonly to: string;
  /** As `--steps` takes them. */
  readonly steps: string;
  /** Who computes it; default: this process. */
  readonly functions?: FunctionOptions | undefined;
  readonly onProgress: OnProgress;
}

export interface TransformedData {
  readonly name: string;
  readonly manifest: DataManifest;
  /** Storage had it: nothing was computed. */
  readonly wasThere: boolean;
  readonly elapsedMs: number;
  readonly use?: MappingUse;
}

/** @throws SltrainError "data-unknown", "data-name", "data-transform", what functions and storage throw */
export async function transformData(options: TransformOptions): Promise<TransformedData> {
  const { storage, to: name, functions, onProgress } = options;
  const begin = performance.now();
  const steps = parseSteps(options.steps);
  checkName(name, Object.keys(KNOWN_DATASETS));
  const { manifest: from } = await findDataset(storage, options.from);
  const id = transformId({ from, name, steps });
  const job: TransformJob = { storage, id, name, from, steps };
  const wasThere = (await readManifest(storage, id)) !== undefined;
  const tell = (stage: StagePlan, isDone: (part: number) => boolean, working?: number): void => {
    const step = steps[stage.index]?.spec;
    onProgress({
      ...(step === undefined ? { phase: "mapping" } : { phase: "measuring", step }),
      rows: rowsOf(stage, isDone),
      totalRows: rowsOf(stage, () => true),
      ...(working !== undefined && { functions: working }),
    });
  };
  const made =
    functions && !wasThere
      ? await mapOnFunctions(
          { storage, id, job: { kind: "transform", from: from.id, name, steps: specsOf(job) } },
          functions,
          ({ stage, done, working }) => tell(stage, (part) => done.has(part), working),
          (run) => transformDataset(job, run),
        )
      : {
          manifest: await transformDataset(job, async function* (stage, measured) {
            let done = 0;
            for await (const result of runHere(stage, measured)) {
              done++;
              tell(stage, (part) => part < done);
              yield result;
            }
          }),
        };
  await giveName(storage, name, made.manifest.id);
  return { name, ...made, wasThere, elapsedMs: performance.now() - begin };
}

function rowsOf({ parts }: StagePlan, isCounted: (part: number) => boolean): number {
  return parts.reduce((sum, { rows }, part) => sum + (isCounted(part) ? rows.end - rows.begin : 0), 0);
}
