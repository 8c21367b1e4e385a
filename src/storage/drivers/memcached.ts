// memcached://host[:port][,host[:port]…]: memcached servers, version 1.6 or newer, as a channel. It forgets: what was
// evicted or has expired is absent. It cannot list and gives no ranges. Keys spread over the servers by their hash.
//
// A value above the servers' item limit (-I) is split: parts first, under names of their own, then the head under the
// key, which says where they are. Readers see all of it or nothing. Parts of a value that was replaced stay until they
// expire, for somebody may be reading them; frames are never replaced.

import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { SltrainError } from "../../errors.ts";
import { checkKey } from "../keys.ts";
import { slices, totalBytes } from "../parts.ts";
import { destination } from "../read.ts";
import type { Channel, GetRef, PutOptions, PutOutcome } from "../storage.ts";
import { withoutCredentials } from "../uri.ts";
import { pollUntilPresent } from "../wait.ts";
import { type Address, Connection, type Request } from "../wire/connection.ts";
import { Lane } from "../wire/lane.ts";
import { deleteItem, getItem, itemFlags, itemSizeMax, noOperation, setItem } from "../wire/memcached-meta.ts";

const DEFAULT_PORT = 11211;
/** Longer than any step, so that a dead run's frames are gone soon and a living one's are there. */
const TTL_S = 3600;
/** memcached allows 250 bytes; a part's name is longer than its key's. */
const MAX_NAME_LENGTH = 200;
/** Of an item beside its value: its header and its name. */
const ITEM_OVERHEAD_BYTES = 1024;
const PLAIN = 0;
/** The flags of an item that is a head. */
const HEAD = 1;

/** What a head says. */
interface Head {
  /** Of all the parts' names. */
  readonly nonce: string;
  readonly sizeBytes: number;
  readonly partBytes: number;
}

interface Server {
  readonly up: Lane;
  readonly down: Lane;
}

export function open(location: string): Promise<Channel> {
  const servers = parseServers(location).map((address): Server => ({
    up: new Lane(() => connect(address)),
    down: new Lane(() => connect(address)),
  }));
  let partBytes: Promise<number> | undefined;

  const ask = <T>(way: keyof Server, name: string, request: Request<T>): Promise<T> =>
    servers[crc32(name) % servers.length]![way].send(request);

  /** The same for all servers, and asked for once. */
  async function askPartBytes(): Promise<number> {
    const limits = await Promise.all(servers.map(({ up }) => up.send(itemSizeMax())));
    return Math.min(...limits) - ITEM_OVERHEAD_BYTES;
  }

  async function putParts(key: string, parts: readonly Uint8Array[], head: Head): Promise<Uint8Array> {
    const names = partNames(key, head);
    const bodies = slices(parts, head.partBytes);
    const options = { flags: PLAIN, ttlS: TTL_S, ifAbsent: false };
    await Promise.all(names.map((name, i) => ask("up", name, setItem(key, name, bodies[i]!, options))));
    return Buffer.from(JSON.stringify(head));
  }

  /** The parts of `head` in `bytes`; false if one of them is not there. */
  async function getParts(key: string, head: Head, bytes: Uint8Array): Promise<boolean> {
    const items = await Promise.all(
      partNames(key, head).map((name, i) => {
        const target = bytes.subarray(i * head.partBytes, (i + 1) * head.partBytes);
        return ask(
          "down",
          name,
          getItem(key, name, (sizeBytes) => sameSize(key, target, sizeBytes)),
        );
      }),
    );
    return items.every((item) => item !== undefined);
  }

  async function get(ref: GetRef, into?: Uint8Array): Promise<Uint8Array | undefined> {
    const { key } = ref;
    checkKey(key);
    if (ref.range !== undefined) throw noRanges(key);
    const name = nameOf(key);
    for (;;) {
      const request = getItem(key, name, (sizeBytes, flags) =>
        flags === HEAD ? new Uint8Array(sizeBytes) : destination(ref, sizeBytes, into),
      );
      const item = await ask("down", name, request);
      if (item?.flags !== HEAD) return item?.bytes;
      const head = parseHead(item.bytes);
      const bytes = destination(ref, head.sizeBytes, into);
      if (await getParts(key, head, bytes)) return bytes;
      // A part was evicted: the head goes too, so that the object can be put again. Or it has just been replaced.
      if ((await ask("up", name, deleteItem(key, name, item.cas))) === "gone") return undefined;
    }
  }

  /** The names of all items of the object, its head first. */
  async function itemNames(key: string): Promise<string[]> {
    checkKey(key);
    const name = nameOf(key);
    if ((await ask("down", name, itemFlags(key, name))) !== HEAD) return [name];
    const item = await ask(
      "down",
      name,
      getItem(key, name, (sizeBytes) => new Uint8Array(sizeBytes)),
    );
    return item?.flags === HEAD ? [name, ...partNames(key, parseHead(item.bytes))] : [name];
  }

  const remove = (key: string, name: string): Promise<unknown> => ask("up", name, deleteItem(key, name));

  const channel: Channel = {
    uri: `memcached:${location}`,
    capabilities: {
      durable: false,
      shared: true,
      conditionalPut: true,
      rangeGet: false,
      list: false,
      batchKeys: 1,
      blockingWait: false,
      maxValueBytes: Infinity,
      prices: undefined,
    },

    async put(key: string, parts: readonly Uint8Array[], options: PutOptions = {}): Promise<PutOutcome> {
      checkKey(key);
      const name = nameOf(key);
      const { ifAbsent = false } = options;
      const sizeBytes = totalBytes(parts);
      partBytes ??= askPartBytes().catch((error: unknown) => {
        partBytes = undefined;
        throw error;
      });
      const limitBytes = await partBytes;
      if (sizeBytes <= limitBytes) {
        return ask("up", name, setItem(key, name, parts, { flags: PLAIN, ttlS: TTL_S, ifAbsent }));
      }
      const nonce = Math.random().toString(36).slice(2);
      const head: Head = { nonce, sizeBytes, partBytes: limitBytes };
      const bytes = await putParts(key, parts, head);
      const outcome = await ask(
        "up",
        name,
        setItem(key, name, [bytes], { flags: HEAD, ttlS: TTL_S, ifAbsent }),
      );
      if (outcome === "exists") await Promise.all(partNames(key, head).map((part) => remove(key, part)));
      return outcome;
    },

    get,

    waitFor: (refs, options) => pollUntilPresent(channel, refs, options),

    async delete(keys: readonly string[]): Promise<void> {
      await Promise.all(
        keys.map(async (key) => {
          for (const name of await itemNames(key)) await remove(key, name);
        }),
      );
    },

    async close(): Promise<void> {
      await Promise.all(servers.flatMap(({ up, down }) => [up.close(), down.close()]));
    },
  };
  return Promise.resolve(channel);
}

/** Throws SltrainError "storage-uri-invalid". */
function parseServers(location: string): Address[] {
  const hosts = location.startsWith("//") ? location.slice(2).split(",") : [""];
  return hosts.map((host) => {
    const url = URL.parse(`memcached://${host}`);
    if (url === null || url.hostname === "" || url.username !== "" || url.pathname.length > 1) {
      throw new SltrainError({
        code: "storage-uri-invalid",
        message: `storage: expected memcached://host[:port][,host[:port]…], but got ${JSON.stringify(withoutCredentials(`memcached:${location}`))}`,
      });
    }
    const port = url.port === "" ? DEFAULT_PORT : Number(url.port);
    return { host: url.hostname.replace(/^\[(.*)\]$/, "$1"), port, tls: false };
  });
}

async function connect(address: Address): Promise<Connection> {
  const connection = await Connection.open(address, {});
  try {
    await connection.send(noOperation());
  } catch (error) {
    connection.close();
    throw error;
  }
  return connection;
}

/** No key contains a #. */
function nameOf(key: string): string {
  return key.length <= MAX_NAME_LENGTH ? key : `#${createHash("sha256").update(key).digest("hex")}`;
}

function partNames(key: string, { nonce, sizeBytes, partBytes }: Head): string[] {
  const name = nameOf(key);
  return Array.from({ length: Math.ceil(sizeBytes / partBytes) }, (_, i) => `${name}#${nonce}.${i}`);
}

function parseHead(bytes: Uint8Array): Head {
  return JSON.parse(Buffer.from(bytes).toString()) as Head;
}

function sameSize(key: string, target: Uint8Array, sizeBytes: number): Uint8Array {
  if (sizeBytes === target.byteLength) return target;
  throw new SltrainError({
    code: "storage-failed",
    message: `storage get ${key}: expected a part of ${target.byteLength} bytes, but got ${sizeBytes}`,
  });
}

function noRanges(key: string): SltrainError {
  return new SltrainError({
    code: "storage-unsupported",
    message: `storage get ${key}: expected no range, for memcached has none`,
  });
}
