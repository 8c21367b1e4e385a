// Counts what passes to a storage: for a run's summary, for its cost, and to hold the traffic model to the truth.

import type { Channel, Storage } from "../storage.ts";
import { pollUntilPresent } from "../wait.ts";

export interface MeterReading {
  /** Puts, also those that found the key taken (`exists`). */
  puts: number;
  exists: number;
  /** Gets that brought an object. */
  gets: number;
  /** Gets that found nothing: polls that came too early, mostly. */
  misses: number;
  /** Calls of delete; a batch is one. */
  deletes: number;
  lists: number;
  bytesUp: number;
  bytesDown: number;
}

/** Everything that a store may charge for. */
export function requestCount(reading: Readonly<MeterReading>): number {
  return reading.puts + reading.gets + reading.misses + reading.deletes + reading.lists;
}

/** `inner`, counted into `reading` from zero. */
export function withMeter<S extends Channel>(inner: S): S & { readonly reading: Readonly<MeterReading> };
export function withMeter(
  inner: Channel | Storage,
): (Channel | Storage) & { readonly reading: MeterReading } {
  const reading: MeterReading = {
    puts: 0,
    exists: 0,
    gets: 0,
    misses: 0,
    deletes: 0,
    lists: 0,
    bytesUp: 0,
    bytesDown: 0,
  };
  const received = (bytes: Uint8Array): void => {
    reading.gets++;
    reading.bytesDown += bytes.byteLength;
  };
  const channel: Channel & { readonly reading: MeterReading } = {
    uri: inner.uri,
    capabilities: inner.capabilities,
    reading,
    async put(key, parts, options) {
      const outcome = await inner.put(key, parts, options);
      reading.puts++;
      if (outcome === "exists") reading.exists++;
      for (const part of parts) reading.bytesUp += part.byteLength;
      return outcome;
    },
    async get(ref, into) {
      const bytes = await inner.get(ref, into);
      if (bytes === undefined) reading.misses++;
      else received(bytes);
      return bytes;
    },
    async *waitFor(refs, options) {
      if (!inner.capabilities.blockingWait) {
        yield* pollUntilPresent((ref, into) => channel.get(ref, into), refs, options);
        return;
      }
      for await (const arrival of inner.waitFor(refs, options)) {
        received(arrival.bytes);
        yield arrival;
      }
    },
    async delete(keys) {
      await inner.delete(keys);
      reading.deletes++;
    },
    close: () => inner.close(),
  };
  if (!("list" in inner)) return channel;
  return {
    ...channel,
    list(prefix: string) {
      reading.lists++;
      return inner.list(prefix);
    },
    async deleteFolder(folder: string) {
      await inner.deleteFolder(folder);
      reading.deletes++;
    },
  };
}
