// What the ranks of a bench exchange, and what must come of it. The gradients look like those of a dense layer on
// images: runs of exact zeros (dark pixels, units at rest) and rows of different magnitudes. They lie in files of a
// temporary folder, so that one process can add them up and every rank can compare.

import { existsSync } from "node:fs";
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { RandomStream } from "../../src/random.ts";

/** What real gradients have: `mlp` on fashion-mnist 10 to 45 % zeros in rows of 512, after some steps. */
const ZERO_SHARE = 0.25;
const ROW_ELEMENTS = 512;
const SEED = 7;
/** Samples behind each rank's sums. */
export const WEIGHT = 64;

export interface GradientFiles {
  readonly folder: string;
  readonly elements: number;
}

const sumsPath = ({ folder, elements }: GradientFiles, rank: number): string =>
  join(folder, `sums-${elements}-${rank}.f32`);
const meanPath = ({ folder, elements }: GradientFiles, worldSize: number): string =>
  join(folder, `mean-${elements}-${worldSize}.f32`);

/** One rank's sums, made if no earlier group of ranks has made them: f32, in memory that threads can share, as in a worker. */
export async function rankSums(files: GradientFiles, rank: number): Promise<Float32Array> {
  const path = sumsPath(files, rank);
  if (!existsSync(path)) await writeWhole(path, gradient(rank, files.elements));
  return readShared(path, files.elements);
}

/** The mean of all ranks' sums, added in f64 by this one process; `rankSums` of all ranks comes before. */
export async function writeMean(files: GradientFiles, worldSize: number): Promise<void> {
  const path = meanPath(files, worldSize);
  if (existsSync(path)) return;
  const total = new Float64Array(files.elements);
  for (let rank = 0; rank < worldSize; rank++) {
    const sums = await readShared(sumsPath(files, rank), files.elements);
    for (let i = 0; i < total.length; i++) total[i]! += sums[i]!;
  }
  await writeWhole(
    path,
    Float32Array.from(total, (sum) => sum / (worldSize * WEIGHT)),
  );
}

export function readMean(files: GradientFiles, worldSize: number): Promise<Float32Array> {
  return readShared(meanPath(files, worldSize), files.elements);
}

export function gradient(rank: number, elements: number): Float32Array {
  const rows = new RandomStream(SEED, "rows"); // all ranks see the same dark pixels
  const random = new RandomStream(SEED, "gradient", rank);
  const values = new Float32Array(elements);
  for (let begin = 0; begin < elements; begin += ROW_ELEMENTS) {
    if (rows.nextUniform() < ZERO_SHARE) continue;
    const scale = 0.001 * Math.exp(2 * rows.nextNormal());
    const end = Math.min(begin + ROW_ELEMENTS, elements);
    for (let i = begin; i < end; i++) values[i] = random.nextNormal() * scale;
  }
  return values;
}

/** Ranks that are tasks of one process may write one file at a time: each sees it whole or not at all. */
async function writeWhole(path: string, values: Float32Array): Promise<void> {
  await writeFile(`${path}.part`, values);
  await rename(`${path}.part`, path);
}

async function readShared(path: string, elements: number): Promise<Float32Array> {
  const shared = new Float32Array(new SharedArrayBuffer(elements * Float32Array.BYTES_PER_ELEMENT));
  new Uint8Array(shared.buffer).set(await readFile(path));
  return shared;
}
