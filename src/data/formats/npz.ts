// NPZ: a zip archive of NPY arrays (numpy.savez, numpy.savez_compressed). Arrays are streamed out of the archive, two at a
// time, whatever their order in it.

import type { Readable } from "node:stream";
import type { Entry, ZipFile } from "yauzl";
import { SltrainError } from "../../errors.ts";
import type { Format, OnBytes } from "../format.ts";
import type { RowReader } from "../rows.ts";
import { npyHeader } from "./npy-header.ts";
import { openNpyRows, type NpyArray } from "./npy.ts";

/** A header of numpy's is 128 bytes, and at most some more for large shapes. */
const HEAD_BYTES = 4096;

/** Names of features and their labels. */
const WHOLE = [
  ["x", "y"],
  ["images", "labels"],
  ["features", "labels"],
  ["data", "labels"],
  ["data", "target"],
  ["arr_0", "arr_1"],
] as const;
const TRAIN = [
  ["x_train", "y_train"],
  ["train_images", "train_labels"],
  ["train_x", "train_y"],
] as const;
const VALIDATION = [
  ["x_val", "y_val"],
  ["x_valid", "y_valid"],
  ["x_test", "y_test"],
  ["val_images", "val_labels"],
  ["test_images", "test_labels"],
  ["val_x", "val_y"],
  ["test_x", "test_y"],
] as const;

export const npzFormat: Format = {
  name: "npz",
  description: "NumPy archive (.npz) of x_train, y_train, x_test and y_test, or of X and y",
  matches: (head, fileName) => isZip(head) && (/\.npz$/i.test(fileName) || firstNameEndsIn(head, ".npy")),
  takes: ["onBadRecord", "labelKind"],
  open: async ({ path }, options) => {
    const archive = await openArchive(path, options.onBytes);
    const open = async ([x, y]: readonly [string, string]): Promise<RowReader> =>
      openNpyRows(await archive.array(x), await archive.array(y), options);
    const find = (pairs: readonly (readonly [string, string])[]) =>
      pairs.find(([x, y]) => archive.has(x) && archive.has(y));
    const train = find(TRAIN);
    const validation = find(VALIDATION);
    if (train && validation) return { train: await open(train), validation: await open(validation) };
    const whole = find(WHOLE) ?? train;
    if (whole) return open(whole);
    throw new SltrainError({
      code: "data-missing",
      message: `${path}: expected arrays x_train, y_train, x_test and y_test, or X and y, got ${archive.names.join(", ") || "none"}`,
      suggestions: ["Name them so: numpy.savez('data.npz', X=x, y=y)."],
    });
  },
};

function isZip(head: Uint8Array): boolean {
  return head[0] === 0x50 && head[1] === 0x4b && head[2] === 0x03 && head[3] === 0x04;
}

function firstNameEndsIn(head: Uint8Array, ending: string): boolean {
  const length = (head[26] ?? 0) | ((head[27] ?? 0) << 8);
  return Buffer.from(head.subarray(30, 30 + length))
    .toString("latin1")
    .endsWith(ending);
}

interface Archive {
  readonly names: readonly string[];
  has(name: string): boolean;
  array(name: string): Promise<NpyArray>;
}

async function openArchive(path: string, onBytes: OnBytes | undefined): Promise<Archive> {
  // Loaded here: only who imports an archive pays for it.
  const { default: yauzl } = await import("yauzl");
  let zip: ZipFile;
  const entries = new Map<string, Entry>();
  try {
    zip = await yauzl.openPromise(path, { lazyEntries: true, autoClose: false });
    for await (const entry of zip.eachEntry()) {
      // Names differ by case: X and x_train are both usual.
      if (entry.fileName.endsWith(".npy")) entries.set(entry.fileName.slice(0, -4).toLowerCase(), entry);
    }
    zip.close();
  } catch (cause) {
    throw damaged(path, cause);
  }
  return {
    names: [...entries.values()].map(({ fileName }) => fileName.slice(0, -4)),
    has: (name) => entries.has(name),
    array: async (name) => {
      const entry = entries.get(name)!;
      const where = `${path}: ${entry.fileName}`;
      const header = npyHeader(await headOf(contentOf(path, entry.fileName, where)), where);
      // Of what is packed, as much as the packing has on average.
      const share = entry.compressedSize / Math.max(1, entry.uncompressedSize);
      const tell = onBytes && ((bytes: number) => onBytes(bytes * share));
      return { where, header, content: () => contentOf(path, entry.fileName, where, tell) };
    },
  };
}

/** Opens the archive anew: a reader that stops half-way must leave no open file, and one that never starts has none. */
async function* contentOf(
  path: string,
  name: string,
  where: string,
  onBytes?: OnBytes,
): AsyncGenerator<Uint8Array> {
  const { default: yauzl } = await import("yauzl");
  let stream: Readable | undefined;
  const zip = await yauzl.openPromise(path, { lazyEntries: true, autoClose: false });
  try {
    for await (const entry of zip.eachEntry()) {
      if (entry.fileName !== name) continue;
      stream = await zip.openReadStreamPromise(entry);
      for await (const chunk of stream) {
        onBytes?.((chunk as Buffer).length);
        yield chunk as Buffer;
      }
      return;
    }
  } catch (cause) {
    throw damaged(where, cause);
  } finally {
    stream?.destroy();
    zip.close();
  }
}

async function headOf(content: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of content) {
    chunks.push(Buffer.from(chunk));
    length += chunk.length;
    if (length >= HEAD_BYTES) break;
  }
  return Buffer.concat(chunks);
}

function damaged(where: string, cause: unknown): SltrainError {
  return new SltrainError({
    code: "data-damaged",
    message: `${where}: expected a whole zip archive of arrays, got one that is cut or broken: ${(cause as Error).message}`,
    cause,
    suggestions: ["Save or fetch the file again."],
  });
}
