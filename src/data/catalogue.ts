// The data sets that a storage has, and the names that users gave them: `data/names/<name>.json` says which data set a name
// means. Data sets that a run brought in itself are there without a name.

import { SltrainError } from "../errors.ts";
import { nearestName } from "../nearest-name.ts";
import type { Storage } from "../storage/storage.ts";
import { readManifest, type DataManifest } from "./manifest.ts";

export interface StoredDataset {
  readonly manifest: DataManifest;
  /** That mean it; often one, or none. */
  readonly names: readonly string[];
}

interface NameRecord {
  readonly id: string;
  readonly namedAt: string;
}

const FOLDER = "data/names/";
const NAME_KEY = /^data\/names\/([^/]+)\.json$/;
const MANIFEST_KEY = /^data\/([0-9a-f]{64})\/manifest\.json$/;
const ANY_KEY = /^data\/([0-9a-f]{64})\//;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
/** So many characters of an id tell data sets apart. */
export const SHORT_ID_LENGTH = 12;

/** @param reserved names that mean something else @throws SltrainError "data-name" */
export function checkName(name: string, reserved: readonly string[]): void {
  const expected =
    "a name of 1 to 64 letters, digits, dots, dashes and underscores, the first a letter or digit";
  if (!NAME.test(name)) throw badName(expected, name);
  if (reserved.includes(name)) throw badName("a name that no known data set has", name);
}

function badName(expected: string, got: string): SltrainError {
  return new SltrainError({
    code: "data-name",
    message: `--name: expected ${expected}, got "${got}"`,
    suggestions: [`Choose a name: --name my-${NAME.test(got) ? got : "data"}.`],
  });
}

/** From now on `name` means that data set, whatever it meant before. */
export async function giveName(storage: Storage, name: string, id: string): Promise<void> {
  const record: NameRecord = { id, namedAt: new Date().toISOString() };
  await storage.put(nameKey(name), [Buffer.from(`${JSON.stringify(record)}\n`)]);
}

/**
 * The data set that was given this name, undefined if there is no such name.
 * @throws SltrainError "data-missing" if it is gone, "data-manifest-damaged"
 */
export async function findNamed(storage: Storage, name: string): Promise<DataManifest | undefined> {
  const id = NAME.test(name) ? await idOf(storage, name) : undefined;
  if (id === undefined) return undefined;
  const manifest = await readManifest(storage, id);
  if (manifest) return manifest;
  throw new SltrainError({
    code: "data-missing",
    message: `${name}: expected data/${id}/ in ${storage.uri}, got no manifest there`,
    suggestions: [`Import it again under that name: \`sltrain data import PATH --name ${name}\`.`],
  });
}

async function idOf(storage: Storage, name: string): Promise<string | undefined> {
  const bytes = await storage.get({ key: nameKey(name) });
  return bytes && (JSON.parse(Buffer.from(bytes).toString()) as NameRecord).id;
}

/** All complete data sets of this version, those with a name first, by name. */
export async function listDatasets(storage: Storage): Promise<StoredDataset[]> {
  const names: string[] = [];
  const ids: string[] = [];
  for await (const key of storage.list("data/")) {
    const name = NAME_KEY.exec(key)?.[1];
    const id = MANIFEST_KEY.exec(key)?.[1];
    if (name !== undefined) names.push(name);
    if (id !== undefined) ids.push(id);
  }
  const namesOf = new Map<string, string[]>();
  for (const name of names.sort()) {
    const id = await idOf(storage, name);
    if (id !== undefined) namesOf.set(id, [...(namesOf.get(id) ?? []), name]);
  }
  const all: StoredDataset[] = [];
  for (const id of ids) {
    const manifest = await readableManifest(storage, id);
    if (manifest) all.push({ manifest, names: namesOf.get(id) ?? [] });
  }
  const order = ({ manifest, names: [name] }: StoredDataset) =>
    `${name === undefined ? 1 : 0}${name ?? manifest.name}`;
  return all.sort((a, b) => (order(a) < order(b) ? -1 : 1));
}

/** Keys by id of what lies there without a manifest: it did not come to its end, or is on its way. */
export async function listUnfinished(storage: Storage): Promise<ReadonlyMap<string, readonly string[]>> {
  const found = new Map<string, string[]>();
  const finished: string[] = [];
  for await (const key of storage.list("data/")) {
    const id = ANY_KEY.exec(key)?.[1];
    if (id === undefined) continue;
    const keys = found.get(id) ?? [];
    keys.push(key);
    found.set(id, keys);
    if (MANIFEST_KEY.test(key)) finished.push(id);
  }
  for (const id of finished) found.delete(id);
  return found;
}

/** Undefined also for one of another version, or damaged: who wants that very one is told so. */
async function readableManifest(storage: Storage, id: string): Promise<DataManifest | undefined> {
  try {
    return await readManifest(storage, id);
  } catch (error) {
    if (error instanceof SltrainError && error.code === "data-manifest-damaged") return undefined;
    throw error;
  }
}

/**
 * The data set of that name or id; the beginning of an id is enough if only one begins so.
 * @throws SltrainError "data-unknown" with the nearest name
 */
export async function findDataset(storage: Storage, nameOrId: string): Promise<StoredDataset> {
  const all = await listDatasets(storage);
  const named = all.find(({ names }) => names.includes(nameOrId));
  if (named) return named;
  const fitting = all.filter(
    ({ manifest: { id, name } }) => name === nameOrId || (nameOrId.length >= 4 && id.startsWith(nameOrId)),
  );
  if (fitting.length === 1) return fitting[0]!;
  const known = all.flatMap(({ names, manifest }) => (names.length > 0 ? names : [manifest.name]));
  const near = nearestName(nameOrId, known);
  const ids = fitting.map(({ manifest }) => manifest.id.slice(0, SHORT_ID_LENGTH));
  throw new SltrainError({
    code: "data-unknown",
    message:
      fitting.length === 0
        ? `expected a data set in ${storage.uri}, got "${nameOrId}"`
        : `expected one data set, got "${nameOrId}", which ${ids.length} are called: ${ids.join(", ")}`,
    suggestions:
      fitting.length > 0
        ? ["Give the id, or its beginning."]
        : [
            near === undefined ? "`sltrain data ls` lists the data sets." : `Did you mean ${near}?`,
            "Bring a file in with `sltrain data import PATH`.",
          ],
  });
}

/** Deletes the data set: first what makes it one, then its names and blocks. Safe to repeat. */
export async function deleteDataset(storage: Storage, { manifest, names }: StoredDataset): Promise<void> {
  const folder = `data/${manifest.id}/`;
  await storage.delete([`${folder}manifest.json`]);
  await storage.delete(names.map(nameKey));
  const rest: string[] = [];
  for await (const key of storage.list(folder)) rest.push(key);
  await storage.delete(rest);
}

function nameKey(name: string): string {
  return `${FOLDER}${name}.json`;
}
