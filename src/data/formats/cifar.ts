// CIFAR-10 and CIFAR-100 in their binary version (Krizhevsky 2009, cs.toronto.edu/~kriz/cifar.html): records of one label
// (CIFAR-100: the coarse one, then the fine one) and 32 x 32 pixels, plane by plane. A record has no magic; labels do.

import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { SltrainError } from "../../errors.ts";
import { openContent } from "../content-file.ts";
import type { ContentFile, FolderFormat, Format, ReadOptions } from "../format.ts";
import type { RowBlock, RowReader } from "../rows.ts";
import { keepRows, type DenseBlock } from "./finite-rows.ts";
import { fixedRecords } from "./fixed-records.ts";

const SIDE = 32;
const PLANE = SIDE * SIDE;
const PIXELS = 3 * PLANE;

interface Variant {
  readonly name: string;
  /** Classes of each label byte; the last one is what is learned. */
  readonly labelBytes: readonly number[];
  readonly namesFile: string;
  readonly trainFile: RegExp;
  readonly validationFile: RegExp;
}

const CIFAR10: Variant = {
  name: "CIFAR-10",
  labelBytes: [10],
  namesFile: "batches.meta.txt",
  trainFile: /^data_batch_\d+\.bin(\.gz)?$/,
  validationFile: /^test_batch\.bin(\.gz)?$/,
};
const CIFAR100: Variant = {
  name: "CIFAR-100",
  labelBytes: [20, 100],
  namesFile: "fine_label_names.txt",
  trainFile: /^train\.bin(\.gz)?$/,
  validationFile: /^test\.bin(\.gz)?$/,
};

export const cifarFormat: Format = {
  name: "cifar",
  description: "CIFAR-10 or CIFAR-100 binary file (.bin)",
  matches: (head) => !isIdx(head) && variantOf(head) !== undefined,
  takes: ["onBadRecord"],
  open: (file, options) => openCifarRows([file], variantOf(file.head) ?? CIFAR10, options),
};

export const cifarFolderFormat: FolderFormat = {
  name: "cifar-folder",
  description:
    "a folder with CIFAR's binary files: data_batch_1.bin … and test_batch.bin, or train.bin and test.bin",
  matches: (entries) => folderVariant(entries) !== undefined,
  takes: ["onBadRecord"],
  open: async (folder, options) => {
    const entries = (await readdir(folder)).sort();
    const variant = folderVariant(entries) ?? CIFAR10;
    const open = async (pattern: RegExp) => {
      const names = entries.filter((name) => pattern.test(name));
      return Promise.all(names.map((name) => openContent(join(folder, name), options.onBytes)));
    };
    const classNames = entries.includes(variant.namesFile) ? await readNames(folder, variant) : undefined;
    const [train, validation] = [await open(variant.trainFile), await open(variant.validationFile)];
    const first = train[0];
    if (!first)
      throw new SltrainError({
        code: "data-missing",
        message: `${folder}: expected data_batch_1.bin, got none`,
      });
    // Without the test file, the rows are split as those of any other source.
    if (validation.length === 0) return openCifarRows(train, variant, options, classNames);
    return {
      train: openCifarRows(train, variant, options, classNames),
      validation: openCifarRows(validation, variant, options, classNames),
    };
  },
};

function folderVariant(entries: readonly string[]): Variant | undefined {
  if (entries.some((name) => CIFAR10.trainFile.test(name))) return CIFAR10;
  const has = (pattern: RegExp) => entries.some((name) => pattern.test(name));
  return has(CIFAR100.trainFile) && has(CIFAR100.validationFile) ? CIFAR100 : undefined;
}

/** The black corners of an IDX image look like labels of class 0; its magic and the size of a first dimension do not. */
function isIdx(head: Uint8Array): boolean {
  const [zero, alsoZero, type = 0, rank = 0, highest = 0] = head;
  return zero === 0 && alsoZero === 0 && type >= 8 && type <= 14 && rank >= 1 && rank <= 4 && highest === 0;
}

/** By the labels of all records in the first 64 KiB: twenty of them are below the number of classes by no chance. */
function variantOf(head: Uint8Array): Variant | undefined {
  return [CIFAR10, CIFAR100].find(({ labelBytes }) => {
    const recordBytes = labelBytes.length + PIXELS;
    if (head.length < recordBytes) return false;
    for (let at = 0; at + labelBytes.length <= head.length; at += recordBytes) {
      if (labelBytes.some((classes, i) => head[at + i]! >= classes)) return false;
    }
    return true;
  });
}

async function readNames(folder: string, { namesFile, labelBytes }: Variant): Promise<readonly string[]> {
  const path = join(folder, namesFile);
  const names = (await readFile(path, "utf8")).split("\n").flatMap((line) => line.trim() || []);
  const classes = labelBytes.at(-1)!;
  if (names.length === classes) return names;
  throw new SltrainError({
    code: "data-label",
    message: `${path}: expected ${classes} names of classes, one a line, got ${names.length}`,
    suggestions: ["Fetch the file again, or remove it: classes are then called by their numbers."],
  });
}

function openCifarRows(
  files: readonly ContentFile[],
  variant: Variant,
  { onBadRecord }: ReadOptions,
  names?: readonly string[],
): RowReader {
  const { labelBytes } = variant;
  const recordBytes = labelBytes.length + PIXELS;
  const classes = labelBytes.at(-1)!;
  let skippedRecords = 0;

  async function* read(): AsyncGenerator<RowBlock> {
    for (const file of files) {
      const { path } = file;
      let record = 0;
      for await (const records of fixedRecords(file.content(), { skipBytes: 0, recordBytes })) {
        const count = Math.floor(records.length / recordBytes);
        if (count * recordBytes !== records.length) {
          throw cifarError(
            path,
            "data-truncated",
            record + count,
            `${recordBytes} bytes`,
            `${records.length % recordBytes}`,
          );
        }
        const all = decode(records, count);
        const isClass = (row: number) => all.labels[row]! < classes;
        const bad = onBadRecord === "fail" ? all.labels.findIndex((label) => label >= classes) : -1;
        if (bad >= 0) {
          const expected = `a label in 0..${classes - 1} of ${variant.name}`;
          throw cifarError(path, "data-label", record + bad, expected, String(all.labels[bad]));
        }
        const block = keepRows(all, isClass);
        skippedRecords += count - block.count;
        record += count;
        if (block.count > 0) yield block;
      }
      if (record === 0) throw cifarError(path, "data-truncated", 0, `${recordBytes} bytes`, "an empty file");
    }
  }

  function decode(records: Uint8Array, count: number): DenseBlock {
    const features = new Uint8Array(count * PIXELS);
    const labels = new Float64Array(count);
    for (let row = 0, to = 0; row < count; row++) {
      const begin = row * recordBytes + labelBytes.length;
      labels[row] = records[begin - 1]!;
      for (let pixel = begin; pixel < begin + PLANE; pixel++) {
        features[to++] = records[pixel]!;
        features[to++] = records[pixel + PLANE]!;
        features[to++] = records[pixel + 2 * PLANE]!;
      }
    }
    return { count, features, labels };
  }

  return {
    read,
    facts: () => ({
      featureShape: [SIDE, SIDE, 3],
      featureType: "u8",
      labels: {
        kind: "classes",
        values: Array.from({ length: classes }, (_, i) => i),
        ...(names && { names }),
      },
      skippedRecords,
    }),
  };
}

function cifarError(path: string, code: string, record: number, expected: string, got: string): SltrainError {
  return new SltrainError({
    code,
    message: `${path}: record ${record}: expected ${expected}, got ${got}`,
    suggestions: ["Fetch the file again: cifar-10-binary.tar.gz, not the version for Python."],
  });
}
