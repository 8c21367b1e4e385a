// redis://[user:password@]host[:port][/database] (rediss:// over TLS): a Redis, Valkey or compatible server, version 6 or
// newer, as a storage: as durable as its own persistence (appendonly, snapshots), and lost with its memory without. One
// server or the primary of several; not a cluster. Credentials also come from REDIS_USERNAME and REDIS_PASSWORD.
//
// Waiting costs no polling: a reader has the server track the keys that it asks for (CLIENT TRACKING), absent ones too,
// and is told when one of them is written. Two connections, so that a long put stands before no get.

import { inOrderOfArrival } from "../arrivals.ts";
import { checkFolder, checkKey } from "../keys.ts";
import { bytesWithin } from "../parts.ts";
import { destination, resolveRange } from "../read.ts";
import type { GetRef, PutOptions, PutOutcome, Storage } from "../storage.ts";
import { Connection, type Request } from "../wire/connection.ts";
import { Lane, unlessAborted } from "../wire/lane.ts";
import { anyReply, bulkReply, command, readValue, type RespValue } from "../wire/resp.ts";
import { redisError } from "./redis-error.ts";
import { parseRedisUri, type RedisServer } from "./redis-uri.ts";

/** Redis' own limit of a string (proto-max-bulk-len). */
const MAX_VALUE_BYTES = 512 * 1024 * 1024;
const KEYS_PER_UNLINK = 1000;
const KEYS_PER_SCAN = "1000";

export function open(location: string, scheme: string): Promise<Storage> {
  const server = parseRedisUri(scheme, location);
  const changes = new Changes();
  const up = new Lane(() => connect(server));
  const down = new Lane(() => connect(server, changes));

  const ask = (lane: Lane, name: string, ...args: readonly string[]): Promise<RespValue> =>
    lane.send({ name, parts: command(...args), read: anyReply(redisError(name)) });

  async function fetch(
    ref: GetRef,
    into?: Uint8Array,
    signal?: AbortSignal,
  ): Promise<Uint8Array | undefined> {
    const { key, range } = ref;
    checkKey(key);
    if (range === undefined) return down.send(getRequest(ref, into, command("GET", key)), signal);
    const { begin, end } = range;
    if (begin >= 0 && begin < end) {
      const get = command("GETRANGE", key, `${begin}`, `${end - 1}`);
      const bytes = await down.send(getRequest(ref, into, get), signal);
      if (bytes?.byteLength === end - begin) return bytes;
    }
    // Redis cuts a range to what is there, and an absent object is like an empty one.
    if ((await ask(down, `get ${key}`, "EXISTS", key)) === 0) return undefined;
    resolveRange(ref, Number(await ask(down, `get ${key}`, "STRLEN", key)));
    return begin === end ? destination(ref, 0, into) : fetch(ref, into, signal);
  }

  const storage: Storage = {
    uri: server.uri,
    capabilities: {
      durable: true,
      shared: true,
      conditionalPut: true,
      rangeGet: true,
      list: true,
      batchKeys: KEYS_PER_UNLINK,
      blockingWait: true,
      maxValueBytes: MAX_VALUE_BYTES,
      prices: undefined,
    },

    async put(key: string, parts: readonly Uint8Array[], options: PutOptions = {}): Promise<PutOutcome> {
      checkKey(key);
      bytesWithin(MAX_VALUE_BYTES, key, parts);
      const name = `put ${key}`;
      const set = command("SET", key, parts, ...(options.ifAbsent === true ? ["NX"] : []));
      const reply = await up.send({ name, parts: set, read: anyReply(redisError(name)) });
      return reply === null ? "exists" : "stored";
    },

    get: (ref, into) => fetch(ref, into),

    waitFor: (refs, options) =>
      inOrderOfArrival(refs, options, async (ref, signal) => {
        for (;;) {
          const change = changes.next(ref.key);
          const bytes = await fetch(ref, ref.into, signal);
          if (bytes !== undefined) return bytes;
          await unlessAborted(change, signal);
        }
      }),

    async delete(keys: readonly string[]): Promise<void> {
      keys.forEach(checkKey);
      const batches = Array.from({ length: Math.ceil(keys.length / KEYS_PER_UNLINK) }, (_, i) =>
        keys.slice(i * KEYS_PER_UNLINK, (i + 1) * KEYS_PER_UNLINK),
      );
      await Promise.all(
        batches.map((batch) =>
          ask(up, `delete ${batch[0]!} and ${batch.length - 1} more`, "UNLINK", ...batch),
        ),
      );
    },

    // A set of all keys would make listing short and every put longer: there are thousands of puts to one list.
    async *list(prefix: string): AsyncGenerator<string> {
      const pattern = `${prefix.replace(/[*?[\]\\^]/g, "\\$&")}*`;
      const keys = new Set<string>();
      let cursor = "0";
      do {
        const reply = await ask(
          down,
          `list ${prefix}`,
          ...["SCAN", cursor, "MATCH", pattern, "COUNT", KEYS_PER_SCAN, "TYPE", "string"],
        );
        const [next, found] = reply as [string, string[]];
        for (const key of found) keys.add(key);
        cursor = next;
      } while (cursor !== "0");
      yield* [...keys].sort();
    },

    async deleteFolder(folder: string): Promise<void> {
      checkFolder(folder);
      await storage.delete(await Array.fromAsync(storage.list(folder)));
    },

    async timeMs(): Promise<number> {
      const [seconds, microseconds] = (await ask(down, "time", "TIME")) as [string, string];
      return Number(seconds) * 1e3 + Number(microseconds) / 1e3;
    },

    async close(): Promise<void> {
      await Promise.all([up.close(), down.close()]);
    },
  };
  return Promise.resolve(storage);
}

/** Who waits for which key to change. */
class Changes {
  readonly #waiting = new Map<string, PromiseWithResolvers<undefined>>();

  /** Resolves when the server says that `key` was written or deleted since it was last asked for, or may have been. */
  next(key: string): Promise<undefined> {
    const waiting = this.#waiting.get(key) ?? Promise.withResolvers<undefined>();
    this.#waiting.set(key, waiting);
    return waiting.promise;
  }

  announce(keys: Iterable<string>): void {
    for (const key of [...keys]) {
      this.#waiting.get(key)?.resolve(undefined);
      this.#waiting.delete(key);
    }
  }

  /** The server no longer knows who asked for what. */
  announceAll(): void {
    this.announce(this.#waiting.keys());
  }
}

/** With `changes`, a connection that is told of changes of the keys that it has asked for. */
async function connect(server: RedisServer, changes?: Changes): Promise<Connection> {
  const { username, password, database } = server;
  const explain = redisError("connect");
  const connection = await Connection.open(
    server,
    changes === undefined
      ? {}
      : {
          unasked: (line) =>
            line.startsWith(">")
              ? (function* () {
                  const [kind, keys] = (yield* readValue(line, explain)) as [string, string[] | null];
                  if (kind !== "invalidate") return;
                  if (keys === null) changes.announceAll();
                  else changes.announce(keys);
                })()
              : undefined,
          lost: () => changes.announceAll(),
        },
  );
  const hello = password === undefined ? ["HELLO", "3"] : ["HELLO", "3", "AUTH", username, password];
  const handshake = [
    hello,
    ...(database === 0 ? [] : [["SELECT", `${database}`]]),
    ...(changes === undefined ? [] : [["CLIENT", "TRACKING", "ON"]]),
  ];
  try {
    for (const args of handshake) {
      await connection.send({ name: "connect", parts: command(...args), read: anyReply(explain) });
    }
  } catch (error) {
    connection.close();
    throw error;
  }
  return connection;
}

function getRequest(
  ref: GetRef,
  into: Uint8Array | undefined,
  parts: Uint8Array[],
): Request<Uint8Array | undefined> {
  const name = `get ${ref.key}`;
  return { name, parts, read: bulkReply(redisError(name), (sizeBytes) => destination(ref, sizeBytes, into)) };
}
