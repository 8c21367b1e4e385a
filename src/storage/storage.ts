// Storage contracts. A `Channel` carries gradient frames and may forget; a `Storage` is durable and can list.
// Drivers are one file each under drivers/; what several of them need (waiting, retry, metering) is a layer.

import type { RequestPrices } from "./prices.ts";

export type PutOutcome = "stored" | "exists";

export interface PutOptions {
  /** Store only if no object has this key; exactly one of several concurrent writers gets "stored". */
  readonly ifAbsent?: boolean;
}

export interface GetRef {
  readonly key: string;
  /** Bytes [begin, end) of the object. */
  readonly range?: { readonly begin: number; readonly end: number };
}

/** What a driver can do. A call that needs what is absent throws SltrainError "storage-unsupported". */
export interface Capabilities {
  readonly durable: boolean;
  /** Whether other processes see it: what workers need. */
  readonly shared: boolean;
  readonly conditionalPut: boolean;
  readonly rangeGet: boolean;
  readonly list: boolean;
  /** Keys that one request can delete; 1 where there is no batch. */
  readonly batchKeys: number;
  /** `waitFor` is told of arrivals; otherwise it polls with `get`, and a layer polls through itself. */
  readonly blockingWait: boolean;
  readonly maxValueBytes: number;
  /** What requests cost; undefined where they are free (a disk, a server that is paid by the hour). */
  readonly prices: RequestPrices | undefined;
}

export interface WaitRef extends GetRef {
  /** Where to put the bytes; see `Channel.get`. */
  readonly into?: Uint8Array;
}

export interface WaitOptions {
  /** Throws SltrainError "wait-timeout" naming the missing keys when they have not all come by then. */
  readonly timeoutMs: number;
  /** Throws the signal's reason when it is aborted. */
  readonly signal?: AbortSignal;
  /**
   * From now until the first object is likely to be there, as earlier steps predict. A poller of a store
   * with prices asks for nothing before. Default 0.
   */
  readonly expectedMs?: number;
}

export interface Arrival {
  /** Index into the refs that were waited for. */
  readonly index: number;
  readonly bytes: Uint8Array;
  /** The first request found it: it may have been there for long. Absent where that is not known. */
  readonly atOnce?: boolean;
}

export interface Channel {
  readonly uri: string;
  readonly capabilities: Capabilities;
  /**
   * Stores the concatenation of `parts` under `key`, atomically: readers see all of it or nothing. Safe to repeat.
   * `parts` may view WASM or shared memory; they are not read after the promise settles. A key is
   * `segment/segment/...` (see keys.ts); no key is a folder of another.
   */
  put(key: string, parts: readonly Uint8Array[], options?: PutOptions): Promise<PutOutcome>;
  /**
   * The object's bytes, or undefined if there is none; every other failure throws. With `into`, the bytes are read
   * to its start and the result is a view of it; an object larger than `into` throws "value-too-large".
   */
  get(ref: GetRef, into?: Uint8Array): Promise<Uint8Array | undefined>;
  /** Yields each ref's object once, in the order of arrival; nearly so where a poller asks sparingly. */
  waitFor(refs: readonly WaitRef[], options: WaitOptions): AsyncIterable<Arrival>;
  /** Absent keys are no error. */
  delete(keys: readonly string[]): Promise<void>;
  /** The store's own clock, milliseconds since 1970; absent where it tells none. */
  readonly timeMs?: () => Promise<number>;
  close(): Promise<void>;
}

export interface Storage extends Channel {
  /** Keys that begin with `prefix` (any string, also half a segment), in code unit order. Never used on the hot path. */
  list(prefix: string): AsyncIterable<string>;
  /** Deletes every object whose key begins with `folder`, which ends in a slash. Never used on the hot path. */
  deleteFolder(folder: string): Promise<void>;
}
