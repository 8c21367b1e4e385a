// memory:NAME, a storage for tests: objects live in this process and are shared by all who open the same name.

import { checkFolder, checkKey } from "../keys.ts";
import { destination, resolveRange } from "../read.ts";
import type { GetRef, PutOptions, PutOutcome, Storage } from "../storage.ts";
import { pollUntilPresent } from "../wait.ts";

const stores = new Map<string, Map<string, Uint8Array>>();

export function open(name: string): Promise<Storage> {
  const objects = stores.get(name) ?? new Map<string, Uint8Array>();
  stores.set(name, objects);

  // Async functions, so that a bad key rejects as it does with every other driver.
  /* eslint-disable @typescript-eslint/require-await */
  const storage: Storage = {
    uri: `memory:${name}`,
    capabilities: {
      durable: false,
      shared: false,
      conditionalPut: true,
      rangeGet: true,
      list: true,
      batchKeys: 1,
      blockingWait: false,
      maxValueBytes: Infinity,
      prices: undefined,
    },
    async put(key: string, parts: readonly Uint8Array[], options: PutOptions = {}): Promise<PutOutcome> {
      checkKey(key);
      if (options.ifAbsent === true && objects.has(key)) return "exists";
      objects.set(key, joined(parts));
      return "stored";
    },
    async get(ref: GetRef, into?: Uint8Array): Promise<Uint8Array | undefined> {
      checkKey(ref.key);
      const object = objects.get(ref.key);
      if (object === undefined) return undefined;
      const { begin, end } = resolveRange(ref, object.byteLength);
      const bytes = destination(ref, end - begin, into);
      bytes.set(object.subarray(begin, end));
      return bytes;
    },
    waitFor: (refs, options) => pollUntilPresent(storage, refs, options),
    async delete(keys: readonly string[]): Promise<void> {
      for (const key of keys) objects.delete(key);
    },
    async *list(prefix: string): AsyncGenerator<string> {
      yield* [...objects.keys()].filter((key) => key.startsWith(prefix)).sort();
    },
    async deleteFolder(folder: string): Promise<void> {
      checkFolder(folder);
      for (const key of [...objects.keys()]) if (key.startsWith(folder)) objects.delete(key);
    },
    close: () => Promise.resolve(),
  };
  return Promise.resolve(storage);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((total, part) => total + part.byteLength, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.byteLength;
  }
  return bytes;
}
