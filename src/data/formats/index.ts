// The list of file formats, and which of them a file or folder is. Names only break ties: what a file is, its content says.

import { basename } from "node:path";
import { SltrainError } from "../../errors.ts";
import type { ContentFile, FolderFormat, Format, ReadOption } from "../format.ts";
import { cifarFolderFormat, cifarFormat } from "./cifar.ts";
import { csvFormat } from "./csv.ts";
import { idxFormat } from "./idx.ts";
import { idxFolderFormat } from "./idx-folder.ts";
import { imageFolderFormat } from "./image-folder.ts";
import { libsvmFormat, zeroBasedLibsvmFormat } from "./libsvm.ts";
import { npyFormat } from "./npy.ts";
import { npzFormat } from "./npz.ts";
import { parquetFormat } from "./parquet.ts";
import { textFormat } from "./text.ts";
import { tfrecordFormat } from "./tfrecord.ts";

/** The first that matches is taken: those with a magic first, text that could be anything last. */
export const FORMATS: readonly Format[] = [
  npyFormat,
  npzFormat,
  parquetFormat,
  tfrecordFormat,
  cifarFormat,
  idxFormat,
  libsvmFormat,
  zeroBasedLibsvmFormat,
  textFormat,
  csvFormat,
];

/** The first that matches is taken. */
export const FOLDER_FORMATS: readonly FolderFormat[] = [
  idxFolderFormat,
  cifarFolderFormat,
  imageFolderFormat,
];

/**
 * @param name of a format, where the user says which it is
 * @throws SltrainError "data-magic" if it is none, "data-format" if there is none of that name
 */
export function recognise({ head, path }: ContentFile, name?: string): Format {
  if (name !== undefined) return named(FORMATS, name);
  const format = FORMATS.find((candidate) => candidate.matches(head, basename(path)));
  if (format) return format;
  if (head.length === 0) {
    throw new SltrainError({
      code: "data-magic",
      message: `${path}: expected a data file, got an empty file`,
      suggestions: ["Write or fetch it again."],
    });
  }
  throw new SltrainError({
    code: "data-magic",
    message:
      `${path}: expected a file of a known format (${FORMATS.map((known) => known.name).join(", ")}), ` +
      `got bytes that begin with ${Buffer.from(head).toString("hex", 0, 4)}`,
    suggestions: [
      "Say which it is, if its beginning hides it: --format csv.",
      "Convert the data to CSV with one record per line and a label column.",
    ],
  });
}

/** @param entries of the folder; names of folders end in a slash */
export function recogniseFolder(folder: string, entries: readonly string[], name?: string): FolderFormat {
  if (name !== undefined) return named(FOLDER_FORMATS, name);
  const format = FOLDER_FORMATS.find((candidate) => candidate.matches(entries));
  if (format) return format;
  const some = entries.slice(0, 8).join(", ") + (entries.length > 8 ? `, … (${entries.length} entries)` : "");
  throw new SltrainError({
    code: "data-missing",
    message: `${folder}: expected a folder that is one data set, got ${some === "" ? "an empty folder" : some}`,
    suggestions: [
      ...FOLDER_FORMATS.map(({ description }) => `It can be ${description}.`),
      "Give the path of a file, if one of them is the data set.",
    ],
  });
}

/** Names of the formats for which `option` means something. */
export function formatsTaking(option: ReadOption): readonly string[] {
  return [...FORMATS, ...FOLDER_FORMATS]
    .filter(({ takes }) => takes.includes(option))
    .map(({ name }) => name);
}

function named<T extends { readonly name: string }>(formats: readonly T[], name: string): T {
  const format = formats.find((candidate) => candidate.name === name);
  if (format) return format;
  throw new SltrainError({
    code: "data-format",
    message: `expected a format (${formats.map((known) => known.name).join(", ")}), got "${name}"`,
    suggestions: ["Leave it out: the content tells the format."],
  });
}
