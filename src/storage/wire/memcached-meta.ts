// memcached's meta commands (https://docs.memcached.org/protocols/meta/) as requests: set, get, delete, and the settings.
// Knows items, not objects: drivers/memcached.ts makes these of those.

import { SltrainError } from "../../errors.ts";
import { totalBytes } from "../parts.ts";
import type { Need, ReplyReader, Request } from "./connection.ts";

export interface Item {
  readonly flags: number;
  /** Changes with every write of the item. */
  readonly cas: string;
  /** Where `destination` put it. */
  readonly bytes: Uint8Array;
}

const CRLF_BYTES = 2;

/** Sets the item, or adds it if there is none; "exists" if there is. */
export function setItem(
  what: string,
  key: string,
  parts: readonly Uint8Array[],
  options: { readonly flags: number; readonly ttlS: number; readonly ifAbsent: boolean },
): Request<"stored" | "exists"> {
  const name = `put ${what}`;
  const { flags, ttlS, ifAbsent } = options;
  const sizeBytes = totalBytes(parts);
  const head = Buffer.from(
    `ms ${key} ${sizeBytes} F${flags} T${ttlS} M${ifAbsent ? "E" : "S"}\r\n`,
    "latin1",
  );
  return {
    ...{ name, parts: [head, ...parts, Buffer.from("\r\n")] },
    read: oneLine(name, { HD: "stored", NS: "exists" }),
  };
}

/** The item, its bytes in the memory that `destination` gives; undefined if there is none. */
export function getItem(
  what: string,
  key: string,
  destination: (sizeBytes: number, flags: number) => Uint8Array,
): Request<Item | undefined> {
  const name = `get ${what}`;
  return {
    ...{ name, parts: [Buffer.from(`mg ${key} v f c\r\n`, "latin1")] },
    *read(line, request): Generator<Need, Item | undefined, string> {
      if (line === "EN") return undefined;
      const [code, size, ...returned] = line.split(" ");
      const sizeBytes = Number(size);
      if (code !== "VA" || !Number.isInteger(sizeBytes)) throw memcachedError(name, line);
      const flags = Number(flag(returned, "f"));
      let bytes: Uint8Array | undefined;
      try {
        if (!request.abandoned) bytes = destination(sizeBytes, flags);
      } catch (error) {
        yield sizeBytes + CRLF_BYTES;
        throw error;
      }
      yield bytes ?? sizeBytes;
      yield CRLF_BYTES;
      return bytes && { flags, cas: flag(returned, "c"), bytes };
    },
  };
}

/** The flags of an item, without its bytes; undefined if there is none. */
export function itemFlags(what: string, key: string): Request<number | undefined> {
  const name = `get ${what}`;
  return {
    ...{ name, parts: [Buffer.from(`mg ${key} f\r\n`, "latin1")] },
    // eslint-disable-next-line require-yield
    *read(line): Generator<Need, number | undefined, string> {
      if (line === "EN") return undefined;
      if (!line.startsWith("HD ")) throw memcachedError(name, line);
      return Number(flag(line.split(" "), "f"));
    },
  };
}

/** With `cas`, only while the item is the one that had it: "changed" if it is not. */
export function deleteItem(what: string, key: string, cas?: string): Request<"gone" | "changed"> {
  const name = `delete ${what}`;
  return {
    ...{ name, parts: [Buffer.from(`md ${key}${cas === undefined ? "" : ` C${cas}`}\r\n`, "latin1")] },
    read: oneLine(name, { HD: "gone", NF: "gone", EX: "changed" }),
  };
}

/** The bytes of the largest item, its header included. */
export function itemSizeMax(): Request<number> {
  return {
    ...{ name: "connect", parts: [Buffer.from("stats settings\r\n")] },
    *read(line): Generator<Need, number, string> {
      let sizeBytes = NaN;
      for (; line !== "END"; line = yield "line") {
        const [stat, setting, value] = line.split(" ");
        if (stat !== "STAT") throw memcachedError("connect", line);
        if (setting === "item_size_max") sizeBytes = Number(value);
      }
      return sizeBytes;
    },
  };
}

/** Answered by servers that know meta commands. */
export function noOperation(): Request<"ready"> {
  return {
    ...{ name: "connect", parts: [Buffer.from("mn\r\n")] },
    read: oneLine("connect", { MN: "ready" }),
  };
}

function oneLine<T>(name: string, meanings: Readonly<Record<string, T>>): ReplyReader<T> {
  // eslint-disable-next-line require-yield
  return function* (line) {
    const code = line.split(" ", 1)[0]!;
    if (!Object.hasOwn(meanings, code)) throw memcachedError(name, line);
    return meanings[code]!;
  };
}

function flag(returned: readonly string[], letter: string): string {
  return returned.find((one) => one.startsWith(letter))?.slice(1) ?? "";
}

interface Explanation {
  readonly code: string;
  readonly expected: string;
  readonly suggestions: readonly string[];
}

/** By what an error says, the first that fits. */
const explanations: readonly (readonly [pattern: RegExp, explanation: Explanation])[] = [
  [
    /^SERVER_ERROR out of memory/i,
    {
      code: "storage-full",
      expected: "expected room in the memory of the memcached",
      suggestions: ["Give it more (-m), do not forbid it to evict (-M), or add servers to the URI."],
    },
  ],
  [
    /^SERVER_ERROR object too large/,
    {
      code: "storage-failed",
      expected: "expected its item_size_max to be what it said",
      suggestions: ["Start the servers of one URI with the same -I, and the run after them."],
    },
  ],
  [
    /^CLIENT_ERROR unauthenticated/,
    {
      code: "storage-denied",
      expected: "expected a memcached that asks for no password",
      suggestions: ["Protect it by its network instead of -Y."],
    },
  ],
  [
    /^ERROR/,
    {
      code: "storage-unsupported",
      expected: "expected a memcached of version 1.6 or newer, with meta commands",
      suggestions: ["Use a newer memcached, or another --channel."],
    },
  ],
  [/^SERVER_ERROR/, { code: "storage-failed", expected: "expected memcached to do it", suggestions: [] }],
];

/** What is no error of memcached's is none of ours either: it breaks the connection. */
function memcachedError(name: string, line: string): Error {
  const got = JSON.stringify(line.slice(0, 200));
  const explanation = explanations.find(([pattern]) => pattern.test(line))?.[1];
  if (explanation === undefined) return new Error(`no memcached of version 1.6 or newer answers ${got}`);
  const { code, expected, suggestions } = explanation;
  return new SltrainError({ code, suggestions, message: `storage ${name}: ${expected}, but got ${got}` });
}
