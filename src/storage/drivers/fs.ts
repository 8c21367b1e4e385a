// fs:PATH, a folder as a storage. A put writes a temporary file and gives it its name in one step: rename(2), or
// link(2) for put-if-absent, so a crash leaves no half object under a key. It does not fsync: a power cut may lose
// what a crash of the process does not.
//
// Calls are synchronous: a frame of 100 KB costs about 70 us to put and 10 us to get, where each round trip through
// libuv's threads costs 50 to 100 us, and those threads would compete with the kernels for the cores. Objects of more
// than a slice give way to the event loop in between.

import fs from "node:fs";
import path from "node:path";
import { setImmediate } from "node:timers/promises";
import { SltrainError } from "../../errors.ts";
import { checkFolder, checkKey } from "../keys.ts";
import { destination, resolveRange } from "../read.ts";
import type { GetRef, PutOptions, PutOutcome, Storage } from "../storage.ts";
import { pollUntilPresent } from "../wait.ts";
import { errorCode, fsError } from "./fs-error.ts";

/** Temporary files live in the store, for link and rename need one file system; no key begins with a dot. */
const TEMPORARY_FOLDER = ".tmp";
/** No put takes this long; an older temporary file is a crashed worker's. */
const STALE_TEMPORARY_MS = 3_600_000;
/** At 1 to 2 GB/s about 2 ms. */
const SLICE_BYTES = 4 * 1024 * 1024;
const DELETES_PER_TURN = 64;
/** Of a folder that others still write into, with pauses that grow by 100 ms. */
const DELETE_RETRIES = 5;
/** linux IOV_MAX */
const PARTS_PER_WRITE = 1024;

export function open(location: string): Promise<Storage> {
  const root = path.resolve(location);
  const temporaryFolder = path.join(root, TEMPORARY_FOLDER);
  // Random enough for a name; crypto.randomUUID would load WebCrypto, 8 ms of a function's start.
  const writer = `${process.pid}-${Math.random().toString(36).slice(2)}`;
  let temporaryCount = 0;
  /** From the outermost in. */
  let made: readonly string[] = [];

  const pathOf = (key: string): string => {
    checkKey(key);
    return `${root}/${key}`;
  };

  async function writeTemporary(parts: readonly Uint8Array[]): Promise<string> {
    const temporary = `${temporaryFolder}/${writer}-${temporaryCount++}`;
    if (temporaryCount === 1) {
      made = makeFolder(temporaryFolder);
      removeStale(temporaryFolder);
    }
    const file = withFolder(temporary, () => fs.openSync(temporary, "wx"));
    try {
      try {
        await writeAll(file, parts);
      } finally {
        fs.closeSync(file);
      }
    } catch (error) {
      fs.rmSync(temporary, { force: true });
      throw error;
    }
    return temporary;
  }

  const storage: Storage = {
    uri: `fs:${location}`,
    capabilities: {
      durable: true,
      shared: true,
      conditionalPut: true,
      rangeGet: true,
      list: true,
      batchKeys: 1,
      blockingWait: false,
      maxValueBytes: Infinity,
      prices: undefined,
    },

    async put(key: string, parts: readonly Uint8Array[], options: PutOptions = {}): Promise<PutOutcome> {
      const target = pathOf(key);
      try {
        const temporary = await writeTemporary(parts);
        return options.ifAbsent === true ? linkTo(temporary, target) : renameTo(temporary, target);
      } catch (error) {
        throw fsError(error, "put", key, target);
      }
    },

    async get(ref: GetRef, into?: Uint8Array): Promise<Uint8Array | undefined> {
      const source = pathOf(ref.key);
      try {
        // A poll misses most of the time, and a stat that finds nothing costs a third of an open that throws.
        if (fs.statSync(source, { throwIfNoEntry: false })?.isFile() !== true) return undefined;
        const file = fs.openSync(source, "r");
        try {
          const { begin, end } = resolveRange(ref, fs.fstatSync(file).size);
          const bytes = destination(ref, end - begin, into);
          await readAll(file, bytes, begin);
          return bytes;
        } finally {
          fs.closeSync(file);
        }
      } catch (error) {
        if (errorCode(error) === "ENOENT") return undefined; // deleted since the stat
        throw fsError(error, "get", ref.key, source);
      }
    },

    waitFor: (refs, options) => pollUntilPresent(storage, refs, options),

    async delete(keys: readonly string[]): Promise<void> {
      for (const [i, key] of keys.entries()) {
        if (i % DELETES_PER_TURN === DELETES_PER_TURN - 1) await setImmediate();
        const target = pathOf(key);
        try {
          fs.unlinkSync(target);
        } catch (error) {
          if (errorCode(error) !== "ENOENT") throw fsError(error, "delete", key, target);
        }
      }
    },

    async *list(prefix: string): AsyncGenerator<string> {
      const folder = prefix.slice(0, prefix.lastIndexOf("/") + 1);
      if (folder !== "") checkKey(folder.slice(0, -1));
      yield* filesUnder(root, folder, prefix);
    },

    // Unlike `delete`, it takes the directories with it.
    async deleteFolder(folder: string): Promise<void> {
      checkFolder(folder);
      const target = `${root}/${folder}`;
      try {
        // Whoever writes into it meanwhile (a worker that has just woken up) makes its rmdir fail with ENOTEMPTY.
        await fs.promises.rm(target, { recursive: true, force: true, maxRetries: DELETE_RETRIES });
      } catch (error) {
        throw fsError(error, "delete", folder, target);
      }
    },

    /** A store that was only looked at leaves nothing where nothing was. */
    close() {
      for (const folder of made.toReversed()) removeIfEmpty(folder);
      made = [];
      return Promise.resolve();
    },
  };
  return Promise.resolve(storage);
}

/** link(2) fails if the name is taken, whatever other writers do at the same time. */
function linkTo(temporary: string, target: string): PutOutcome {
  try {
    withFolder(target, () => fs.linkSync(temporary, target));
    return "stored";
  } catch (error) {
    if (errorCode(error) === "EEXIST") return "exists";
    throw error;
  } finally {
    fs.unlinkSync(temporary);
  }
}

function renameTo(temporary: string, target: string): PutOutcome {
  try {
    withFolder(target, () => fs.renameSync(temporary, target));
    return "stored";
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    throw error;
  }
}

/** Runs `action`, and once more after making the folder of `file` if that was missing: a hot put pays nothing for it. */
function withFolder<T>(file: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
    makeFolder(path.dirname(file));
    return action();
  }
}

/**
 * With its parents, which other processes may be making too: those that were made, from the outermost in. Node's own
 * recursive mkdir never returns where the kernel refuses a folder with ENOENT, as under /proc.
 */
function makeFolder(folder: string): string[] {
  const first = makeOneFolder(folder);
  if (!(first instanceof Error)) return first ? [folder] : [];
  const parents = makeFolder(path.dirname(folder));
  const refused = makeOneFolder(folder);
  if (refused instanceof Error) throw refused;
  return refused ? [...parents, folder] : parents;
}

/** Whether it was made; the error if the parent is missing. */
function makeOneFolder(folder: string): boolean | Error {
  try {
    fs.mkdirSync(folder);
    return true;
  } catch (error) {
    if (error instanceof Error && errorCode(error) === "ENOENT") return error;
    if (errorCode(error) !== "EEXIST" || !fs.statSync(folder).isDirectory()) throw error;
    return false;
  }
}

function removeIfEmpty(folder: string): void {
  try {
    fs.rmdirSync(folder);
  } catch (error) {
    const code = errorCode(error);
    if (code !== "ENOTEMPTY" && code !== "EEXIST" && code !== "ENOENT")
      throw fsError(error, "delete", "", folder);
  }
}

async function writeAll(file: number, parts: readonly Uint8Array[]): Promise<void> {
  let waiting = parts.flatMap((part) => slicesOf(part)).filter((part) => part.byteLength > 0);
  while (waiting.length > 0) {
    let batchBytes = 0;
    const batch: Uint8Array[] = [];
    for (const part of waiting.slice(0, PARTS_PER_WRITE)) {
      if (batch.length > 0 && batchBytes + part.byteLength > SLICE_BYTES) break;
      batch.push(part);
      batchBytes += part.byteLength;
    }
    waiting = unwritten(waiting, fs.writevSync(file, batch));
    if (waiting.length > 0) await setImmediate();
  }
}

function slicesOf(part: Uint8Array): Uint8Array[] {
  if (part.byteLength <= SLICE_BYTES) return [part];
  return Array.from({ length: Math.ceil(part.byteLength / SLICE_BYTES) }, (_, i) =>
    part.subarray(i * SLICE_BYTES, (i + 1) * SLICE_BYTES),
  );
}

/** `parts` without their first `writtenBytes`: a write may stop short. */
function unwritten(parts: readonly Uint8Array[], writtenBytes: number): Uint8Array[] {
  let first = 0;
  while (first < parts.length && writtenBytes >= parts[first]!.byteLength)
    writtenBytes -= parts[first++]!.byteLength;
  const rest = parts.slice(first);
  if (writtenBytes > 0) rest[0] = rest[0]!.subarray(writtenBytes);
  return rest;
}

async function readAll(file: number, bytes: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.byteLength) {
    const length = Math.min(SLICE_BYTES, bytes.byteLength - done);
    const count = fs.readSync(file, bytes, done, length, position + done);
    if (count === 0) {
      throw new SltrainError({
        code: "storage-failed",
        message: `expected ${bytes.byteLength} bytes, but the file ended after ${done}: something else changed it`,
      });
    }
    done += count;
    if (done < bytes.byteLength) await setImmediate();
  }
}

function removeStale(folder: string): void {
  for (const name of fs.readdirSync(folder)) {
    const file = path.join(folder, name);
    const modifiedMs = fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Infinity;
    if (Date.now() - modifiedMs > STALE_TEMPORARY_MS) fs.rmSync(file, { force: true });
  }
}

/** Depth first; a folder sorts as its name with the slash, which is where its keys belong. */
async function* filesUnder(root: string, folder: string, prefix: string): AsyncGenerator<string> {
  await setImmediate();
  let entries: fs.Dirent[];
  try {
    entries = fs.readdirSync(`${root}/${folder}`, { withFileTypes: true });
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "ENOTDIR") return;
    throw fsError(error, "list", prefix, `${root}/${folder}`);
  }
  const names = entries
    .filter((entry) => !entry.name.startsWith("."))
    .map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name))
    .sort();
  for (const name of names) {
    const key = folder + name;
    if (!key.startsWith(prefix) && !prefix.startsWith(key)) continue;
    if (name.endsWith("/")) yield* filesUnder(root, key, prefix);
    else if (key.startsWith(prefix)) yield key;
  }
}
