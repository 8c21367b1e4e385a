// What sltrain needs of a store, one probe each: tried on the store itself, not read off its description.

import { randomFillSync } from "node:crypto";
import { SltrainError } from "../../errors.ts";
import { MAX_KEY_LENGTH } from "../keys.ts";
import type { Capabilities, Channel, Storage } from "../storage.ts";

export interface ProbeStore {
  readonly channel: Channel;
  /** The same store, opened a second time, as another process would. */
  readonly other: Channel;
  /** All keys of the probes lie under it; it ends in a slash. */
  readonly folder: string;
}

export interface Probe {
  readonly name: string;
  /** Without it the store serves for neither; as `--channel` alone; or as both, but not as well. */
  readonly need: "always" | "storage" | "better";
  /** What it means that the store lacks it. */
  readonly without: string;
  /** Whether the driver says that the store can do it at all. */
  readonly isOffered: (capabilities: Capabilities) => boolean;
  /** Throws if it does not work. Deletes what it wrote. */
  readonly run: (store: ProbeStore) => Promise<void>;
}

const WAIT_MS = 10_000;
const LARGE_BYTES = 16 * 1024 * 1024;
const RACERS = 8;
/** All that a key may hold (keys.ts). */
const CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._=@+-";

const offered = (): boolean => true;

export const probes: readonly Probe[] = [
  {
    name: "put and get",
    need: "always",
    without: "nothing can be exchanged",
    isOffered: offered,
    async run({ channel, other, folder }) {
      const key = `${folder}object`;
      await channel.put(key, [bytesOf("first, and longer")]);
      await channel.put(key, [bytesOf("sec"), bytesOf("ond")]);
      expectBytes(key, await other.get({ key }), bytesOf("second"));
      await channel.delete([key]);
      expectBytes(key, await other.get({ key }), undefined);
      await channel.delete([key]);
    },
  },
  {
    name: "wait for an object",
    need: "always",
    without: "workers cannot wait for each other",
    isOffered: offered,
    async run({ channel, other, folder }) {
      const key = `${folder}awaited`;
      const arrival = channel.waitFor([{ key }], { timeoutMs: WAIT_MS })[Symbol.asyncIterator]().next();
      const [arrived] = await Promise.all([arrival, other.put(key, [bytesOf("here")])]);
      expectBytes(key, arrived.done === true ? undefined : arrived.value.bytes, bytesOf("here"));
      await channel.delete([key]);
    },
  },
  {
    name: "keys of every character, of full length",
    need: "always",
    without: "objects would be taken for one another",
    isOffered: offered,
    async run({ channel, folder }) {
      const long = `${"x".repeat(200)}/`.repeat(5).slice(0, MAX_KEY_LENGTH - folder.length - 1);
      const keys = [`${folder}k${CHARACTERS}`, `${folder}${long}a`, `${folder}${long}b`];
      for (const key of keys) await channel.put(key, [bytesOf(key)]);
      for (const key of keys) expectBytes(key, await channel.get({ key }), bytesOf(key));
      await channel.delete(keys);
    },
  },
  {
    name: `a value of ${LARGE_BYTES / 2 ** 20} MiB`,
    need: "always",
    without: "use smaller buckets (--bucket-bytes)",
    isOffered: ({ maxValueBytes }) => maxValueBytes >= LARGE_BYTES,
    async run({ channel, other, folder }) {
      const key = `${folder}large`;
      const value = randomFillSync(new Uint8Array(LARGE_BYTES));
      await channel.put(key, [value.subarray(0, 5), value.subarray(5)]);
      expectBytes(key, await other.get({ key }), value);
      await channel.delete([key]);
    },
  },
  {
    name: "put if absent, one winner of 8",
    need: "storage",
    without: "two workers of one rank could overwrite each other's results",
    isOffered: ({ conditionalPut }) => conditionalPut,
    async run({ channel, other, folder }) {
      const key = `${folder}contested`;
      const racers = Array.from({ length: RACERS }, (_, i) =>
        (i % 2 === 0 ? channel : other).put(key, [bytesOf(`racer ${i}`)], { ifAbsent: true }),
      );
      const outcomes = await Promise.all(racers);
      const winners = outcomes.filter((outcome) => outcome === "stored").length;
      if (winners !== 1) throw wrong(`one winner of ${RACERS}`, `${winners}`);
      expectBytes(key, await channel.get({ key }), bytesOf(`racer ${outcomes.indexOf("stored")}`));
      await channel.delete([key]);
    },
  },
  {
    name: "list",
    need: "storage",
    without: "runs cannot be found",
    isOffered: ({ list }) => list,
    async run({ channel, other, folder }) {
      const keys = ["listed/a", "listed/b/c", "listed/d"].map((name) => folder + name);
      for (const key of keys) await channel.put(key, [bytesOf("x")]);
      const storage = other as Storage;
      const found = await Array.fromAsync(storage.list(`${folder}listed/`));
      if (found.join() !== keys.join()) throw wrong(`the list ${keys.join(", ")}`, found.join(", "));
      await storage.deleteFolder(`${folder}listed/`);
      const left = await Array.fromAsync(storage.list(`${folder}listed/`));
      if (left.length > 0) throw wrong("an empty folder after it was deleted", left.join(", "));
    },
  },
  {
    name: "durable",
    need: "storage",
    without: "it may forget what it holds",
    isOffered: ({ durable }) => durable,
    run: () => Promise.resolve(),
  },
  {
    name: "read a range",
    need: "better",
    without: "a worker's chunks cannot travel in one object",
    isOffered: ({ rangeGet }) => rangeGet,
    async run({ channel, folder }) {
      const key = `${folder}ranged`;
      await channel.put(key, [bytesOf("0123456789")]);
      expectBytes(key, await channel.get({ key, range: { begin: 2, end: 5 } }), bytesOf("234"));
      await channel.delete([key]);
    },
  },
];

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

function expectBytes(key: string, got: Uint8Array | undefined, expected: Uint8Array | undefined): void {
  if (got === expected || (got && expected && Buffer.compare(got, expected) === 0)) return;
  const shown = (bytes: Uint8Array | undefined): string =>
    bytes === undefined ? "no object" : `${bytes.byteLength} bytes`;
  throw wrong(`${shown(expected)} as written at ${key}`, got && expected ? "other bytes" : shown(got));
}

function wrong(expected: string, got: string): SltrainError {
  return new SltrainError({
    code: "storage-unfit",
    message: `storage check: expected ${expected}, but got ${got}`,
    suggestions: ["Report it with the name and version of the store, and choose another one meanwhile."],
  });
}
