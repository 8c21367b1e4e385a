// A data set that the user names by path: an IDX or CSV file, or a folder of IDX files. The content decides what it is.

import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { SltrainError } from "../../errors.ts";
import { createDataset, splitTable, type Split, type Table } from "../dataset.ts";
import { contentOf, headOf, readSourceFile, type Source, type SourceFile } from "../source.ts";
import { readCsv } from "./csv.ts";
import { idxTable, looksLikeIdx, readIdx } from "./idx.ts";

const IDX_NAME = /idx\d|ubyte/i;

/** @throws SltrainError "data-missing", "data-magic" and what reading the file can throw. */
export async function pathSource(path: string): Promise<Source> {
  const facts = await stat(path).catch(() => undefined);
  if (facts?.isDirectory()) return idxFolderSource(path, basename(path));
  const file = await readSourceFile(path);
  const name = basename(path);
  const head = headOf(file);
  if (looksLikeIdx(head) || IDX_NAME.test(name)) return idxFileSource(file, name);
  if (head.length === 0 || head.includes(0)) {
    throw new SltrainError({
      code: "data-magic",
      message: `${path}: expected IDX (it begins with 00 00) or CSV text, either also as .gz, got ${
        head.length === 0 ? "an empty file" : `bytes that begin with ${head.toString("hex", 0, 4)}`
      }`,
      suggestions: ["Convert the data to CSV with one record per line and a label column."],
    });
  }
  return {
    name,
    inputs: [file.bytes],
    load: async () => createDataset(name, path, splitTable(readCsv(await contentOf(file), path), path)),
  };
}

async function idxFileSource(images: SourceFile, name: string): Promise<Source> {
  const labels = await readSourceFile(await labelsBeside(images.path));
  return {
    name,
    inputs: [images.bytes, labels.bytes],
    load: async () =>
      createDataset(name, images.path, splitTable(await decodeIdx({ images, labels }), images.path)),
  };
}

/**
 * A folder with train-images* and t10k-images* (or test*, val*), each with its labels beside it: the source's own split.
 * @param classes how many classes there are, if that is known apart from the labels
 * @throws SltrainError "data-missing" naming what the folder lacks.
 */
export async function idxFolderSource(folder: string, name: string, classes?: number): Promise<Source> {
  const files = await findIdxPairs(folder);
  const pairs = {
    train: { images: await readSourceFile(files.train), labels: await labelsOf(files.train) },
    validation: { images: await readSourceFile(files.validation), labels: await labelsOf(files.validation) },
  };
  return {
    name,
    inputs: Object.values(pairs).flatMap(({ images, labels }) => [images.bytes, labels.bytes]),
    load: async () => {
      const train = await decodeIdx(pairs.train, classes);
      const validation = await decodeIdx(pairs.validation, train.classes);
      requireSameRows(train, validation, folder);
      return createDataset(name, folder, { train, validation });
    },
  };
}

async function labelsOf(imagesPath: string): Promise<SourceFile> {
  return readSourceFile(await labelsBeside(imagesPath));
}

interface IdxPair {
  readonly images: SourceFile;
  readonly labels: SourceFile;
}

async function decodeIdx({ images, labels }: IdxPair, classes?: number): Promise<Table> {
  const decode = async (file: SourceFile) => ({
    path: file.path,
    ...readIdx(await contentOf(file), file.path),
  });
  return idxTable(await decode(images), await decode(labels), classes);
}

function requireSameRows(train: Table, validation: Table, folder: string): void {
  const describe = ({ features, labels, featureShape }: Table) =>
    `${featureShape.join(" x ")} ${features.constructor.name} with ${labels.constructor.name} labels`;
  if (describe(train) === describe(validation)) return;
  throw new SltrainError({
    code: "data-shape",
    message: `${folder}: expected validation rows as in training, ${describe(train)}, got ${describe(validation)}`,
    suggestions: ["Put images of one size and type into the folder."],
  });
}

const SPLIT_NAMES: Readonly<Record<Split, RegExp>> = { train: /^train/i, validation: /^(t10k|test|val)/i };

/** The images file of each split. */
async function findIdxPairs(folder: string): Promise<Record<Split, string>> {
  const names = await readdir(folder).catch((cause: unknown) => {
    throw missing(folder, "a folder that can be read", String(cause));
  });
  const images = names.filter((name) => /images|idx[2-9]/i.test(name)).sort();
  const find = (split: Split) => {
    const name = images.find((candidate) => SPLIT_NAMES[split].test(candidate));
    if (name !== undefined) return join(folder, name);
    const wanted = split === "train" ? "train-images-idx3-ubyte(.gz)" : "t10k-images-idx3-ubyte(.gz)";
    throw missing(folder, wanted, names.join(", ") || "an empty folder");
  };
  return { train: find("train"), validation: find("validation") };
}

/** train-images-idx3-ubyte.gz -> train-labels-idx1-ubyte.gz, or the same with or without .gz. */
async function labelsBeside(imagesPath: string): Promise<string> {
  const name = basename(imagesPath);
  const labels = name.replace(/images/i, "labels").replace(/idx\d/i, "idx1");
  const bare = labels.replace(/\.gz$/i, "");
  const names = await readdir(dirname(imagesPath));
  const found = labels === name ? undefined : [labels, bare, `${bare}.gz`].find((n) => names.includes(n));
  if (found !== undefined) return join(dirname(imagesPath), found);
  const wanted = labels === name ? 'a name with "images", so that "labels" names its labels' : labels;
  throw missing(imagesPath, `${wanted} beside it`, "no such file");
}

function missing(path: string, expected: string, got: string): SltrainError {
  return new SltrainError({
    code: "data-missing",
    message: `${path}: expected ${expected}, got ${got}`,
    suggestions: ["Name the files as MNIST does: train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-..."],
  });
}
