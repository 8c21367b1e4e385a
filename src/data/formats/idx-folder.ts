// A folder with train-images* and t10k-images* (or test*, val*), each with its labels beside it: the source's own split.

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { openContent } from "../content-file.ts";
import type { Split } from "../dataset.ts";
import type { FolderFormat, OnBytes } from "../format.ts";
import type { RowReader } from "../rows.ts";
import { labelsBeside, missingIdx, openIdxRows, readIdxLabels } from "./idx.ts";

const SPLIT_NAMES: Readonly<Record<Split, RegExp>> = { train: /^train/i, validation: /^(t10k|test|val)/i };

export const idxFolderFormat: FolderFormat = {
  name: "idx-folder",
  description: "a folder with IDX files as MNIST's: train-images…, train-labels…, t10k-images…, t10k-labels…",
  matches: (entries) => entries.some((name) => isImages(name) && SPLIT_NAMES.train.test(name)),
  takes: [],
  open: (folder, { onBytes }) => openIdxFolder(folder, undefined, onBytes),
};

/**
 * @param classes how many classes there are, if that is known apart from the labels
 * @throws SltrainError "data-missing" naming what the folder lacks.
 */
export async function openIdxFolder(
  folder: string,
  classes?: number,
  onBytes?: OnBytes,
): Promise<Record<Split, RowReader>> {
  const files = await findImages(folder);
  const labels = {
    train: await readIdxLabels(await labelsBeside(files.train)),
    validation: await readIdxLabels(await labelsBeside(files.validation)),
  };
  const train = openIdxRows(await openContent(files.train, onBytes), labels.train, classes);
  const meaning = train.facts().labels;
  const known = meaning.kind === "classes" ? meaning.values.length : undefined;
  const validation = await openContent(files.validation, onBytes);
  return { train, validation: openIdxRows(validation, labels.validation, known) };
}

/** All files that such a folder's rows depend on. */
export async function idxFolderFiles(folder: string): Promise<readonly string[]> {
  const images = Object.values(await findImages(folder));
  return [...images, ...(await Promise.all(images.map(labelsBeside)))];
}

function isImages(name: string): boolean {
  return /images|idx[2-9]/i.test(name) && !name.endsWith("/");
}

/** The images file of each split. */
async function findImages(folder: string): Promise<Record<Split, string>> {
  const names = await readdir(folder).catch((cause: unknown) => {
    throw missingIdx(folder, "a folder that can be read", String(cause));
  });
  const images = names.filter(isImages).sort();
  const find = (split: Split) => {
    const name = images.find((candidate) => SPLIT_NAMES[split].test(candidate));
    if (name !== undefined) return join(folder, name);
    const wanted = split === "train" ? "train-images-idx3-ubyte(.gz)" : "t10k-images-idx3-ubyte(.gz)";
    throw missingIdx(folder, wanted, names.join(", ") || "an empty folder");
  };
  return { train: find("train"), validation: find("validation") };
}
