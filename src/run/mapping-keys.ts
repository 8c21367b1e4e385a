// Where functions that transform a data set keep what: beside its blocks, until its manifest is written.

export interface MappingKeys {
  /** Folder of all of them. */
  readonly work: string;
  readonly job: string;
  /** What has been measured for a step. */
  measured(step: number): string;
  /** Folder of what a stage leaves: one listing of it tells how far it is. */
  stage(stage: number): string;
  /** Of a part: put if absent, and the same whoever puts it. */
  result(stage: number, part: number): string;
  /** How a life of a function ended that was not killed. */
  end(stage: number, life: string): string;
  failure(stage: number, life: string): string;
}

export function mappingKeys(id: string): MappingKeys {
  const work = `data/${id}/work/`;
  const stage = (index: number) => `${work}stages/${index}/`;
  return {
    work,
    job: `${work}job.json`,
    measured: (step) => `${work}measured/${step}.json`,
    stage,
    result: (index, part) => `${stage(index)}results/${String(part).padStart(PART_DIGITS, "0")}`,
    end: (index, life) => `${stage(index)}ends/${life}.json`,
    failure: (index, life) => `${stage(index)}failures/${life}.json`,
  };
}

const PART_DIGITS = 6;

/** What a listing of a stage's folder says. */
export interface StageListing {
  /** Parts that have a result. */
  readonly done: ReadonlySet<number>;
  /** Keys. */
  readonly ends: readonly string[];
  readonly failures: readonly string[];
}

const KEY = /\/stages\/\d+\/(results|ends|failures)\/([^/]+)$/;

export async function listStage(keys: AsyncIterable<string>): Promise<StageListing> {
  const listing = { done: new Set<number>(), ends: [] as string[], failures: [] as string[] };
  for await (const key of keys) {
    const [, folder, name] = KEY.exec(key) ?? [];
    if (folder === "results") listing.done.add(Number(name));
    else if (folder === "ends") listing.ends.push(key);
    else if (folder === "failures") listing.failures.push(key);
  }
  return listing;
}
