// A file's content as a stream: what a gzip, zstd or bzip2 file holds, otherwise the bytes themselves. The content tells which it
// is, not the name.

import { createReadStream } from "node:fs";
import { open, stat } from "node:fs/promises";
import { PassThrough, pipeline, type Readable, type Transform } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { SltrainError } from "../errors.ts";
import { formatBytes } from "../units.ts";
import type { ContentFile, OnBytes } from "./format.ts";

const CHUNK_BYTES = 2 ** 20;
const HEAD_BYTES = 64 * 2 ** 10;

interface Packing {
  readonly name: string;
  /** Of a file's name; what is packed, its content says. */
  readonly ending: string;
  readonly magic: readonly number[];
  readonly unpack: (file: Readable) => Readable | Promise<Readable>;
}

const PACKINGS: readonly Packing[] = [
  {
    name: "gzip",
    ending: ".gz",
    magic: [0x1f, 0x8b],
    unpack: (file) => joined(file, createGunzip({ chunkSize: CHUNK_BYTES })),
  },
  {
    name: "zstd",
    ending: ".zst",
    magic: [0x28, 0xb5, 0x2f, 0xfd],
    unpack: (file) => joined(file, createZstdDecompress({ chunkSize: CHUNK_BYTES })),
  },
  { name: "bzip2", ending: ".bz2", magic: [0x42, 0x5a, 0x68], unpack: unpackBzip2 },
];

/** rows.csv.bz2 -> rows.csv: the name of what is in the file. */
export function withoutPacking(fileName: string): string {
  const ending = PACKINGS.find((packing) => fileName.toLowerCase().endsWith(packing.ending))?.ending ?? "";
  return fileName.slice(0, fileName.length - ending.length);
}

/** An error of either stream is thrown by whoever reads; this only has the other one end. */
function joined(file: Readable, unpacking: Transform): Readable {
  return pipeline(file, unpacking, () => undefined);
}

/** In JavaScript, some megabytes a second: Node has no bzip2, and LIBSVM's page packs by nothing else. */
async function unpackBzip2(file: Readable): Promise<Readable> {
  const { default: unbzip2 } = await import("unbzip2-stream");
  const unpacking = unbzip2();
  file.on("error", (error) => unpacking.emit("error", error));
  file.pipe(unpacking);
  // It is a stream of Node's first kind, which cannot be iterated.
  const content = new PassThrough();
  unpacking.on("error", (error) => content.destroy(error));
  return unpacking.pipe(content);
}

/**
 * @param onBytes told what is read of it on disk for its content, but for its head
 * @throws SltrainError "data-missing" or "data-unreadable" naming the path; its `content` also "data-truncated" or
 * "data-damaged" for a packed file that is cut or broken
 */
export async function openContent(path: string, onBytes?: OnBytes): Promise<ContentFile> {
  const begin = Buffer.alloc(4);
  const sizeBytes = await readBegin(path, begin);
  const packing = PACKINGS.find(({ magic }) => magic.every((byte, i) => begin[i] === byte));
  const read = (tell?: OnBytes) => (packing ? unpacked(path, packing, tell) : fileChunks(path, tell));
  const content = () => read(onBytes);
  return {
    path,
    sizeBytes,
    head: await collect(read(), HEAD_BYTES),
    content,
    bytes: async (limitBytes) => {
      const bytes = await collect(content(), limitBytes + 1);
      if (bytes.length <= limitBytes) return bytes;
      throw new SltrainError({
        code: "data-too-large",
        message: `${path}: expected at most ${formatBytes(limitBytes)} of content, got more`,
        suggestions: [
          "Divide the file, or convert it to a format that is read as a stream: CSV, LibSVM, IDX.",
        ],
      });
    },
  };
}

/** Fills `begin` as far as there is something; returns the file's size. */
async function readBegin(path: string, begin: Buffer): Promise<number> {
  try {
    const file = await open(path);
    try {
      await file.read(begin, 0, begin.length, 0);
      return (await file.stat()).size;
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw fileError(path, cause);
  }
}

/**
 * The bytes on disk, the next ones read while the last are used; a chunk is valid until the next one. Two buffers in turn:
 * a stream would make a new one for each chunk, faster than they are collected.
 */
export async function* fileChunks(path: string, onBytes?: OnBytes): AsyncGenerator<Uint8Array> {
  const file = await open(path).catch((cause: unknown) => {
    throw fileError(path, cause);
  });
  const buffers = [Buffer.alloc(CHUNK_BYTES), Buffer.alloc(CHUNK_BYTES)] as const;
  const read = (turn: number) => {
    const coming = file.read(buffers[turn % 2]!, 0, CHUNK_BYTES, null);
    // Whoever stops early does not wait for it.
    coming.catch(() => undefined);
    return coming;
  };
  let coming = read(0);
  try {
    for (let turn = 0; ; turn++) {
      const { bytesRead, buffer } = await coming.catch((cause: unknown) => {
        throw fileError(path, cause);
      });
      if (bytesRead === 0) return;
      coming = read(turn + 1);
      onBytes?.(bytesRead);
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await coming.catch(() => undefined);
    await file.close();
  }
}

async function* unpacked(
  path: string,
  { name, unpack }: Packing,
  onBytes?: OnBytes,
): AsyncGenerator<Uint8Array> {
  const stream = createReadStream(path, { highWaterMark: CHUNK_BYTES });
  const content = await unpack(stream);
  let told = 0;
  try {
    for await (const chunk of content) {
      onBytes?.(stream.bytesRead - told);
      told = stream.bytesRead;
      yield chunk as Buffer;
    }
  } catch (cause) {
    throw packingError(path, name, cause, await sizeOf(path));
  } finally {
    stream.destroy();
  }
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path)).size;
}

/** The first `limitBytes` of the content, or all of it. */
async function collect(content: AsyncIterable<Uint8Array>, limitBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of content) {
    chunks.push(Uint8Array.prototype.slice.call(chunk));
    length += chunk.length;
    if (length >= limitBytes) break;
  }
  const all = Buffer.concat(chunks);
  return new Uint8Array(all.buffer, all.byteOffset, Math.min(length, limitBytes));
}

export function fileError(path: string, cause: unknown): SltrainError {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === "ENOENT") {
    return new SltrainError({
      code: "data-missing",
      message: `${path}: expected a data file, got nothing of that name`,
      cause,
      suggestions: ["Check the path."],
    });
  }
  return new SltrainError({
    code: "data-unreadable",
    message: `${path}: expected a readable file, got ${code ?? message}`,
    cause,
    suggestions: ["Check that the file can be read."],
  });
}

function packingError(path: string, packing: string, cause: unknown, sizeBytes: number): SltrainError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const isCut =
    code === "Z_BUF_ERROR" || code === "ZSTD_error_srcSize_wrong" || /unexpected end/.test(message);
  return new SltrainError({
    code: isCut ? "data-truncated" : "data-damaged",
    message: `${path}: expected a whole ${packing} file, got ${sizeBytes} bytes that end early or are broken: ${message}`,
    cause,
    suggestions: ["Fetch the file again."],
  });
}
