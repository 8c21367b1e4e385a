// Counts what a store is asked: for a run's summary, for its cost, and to hold the traffic model to the truth. It lies
// below the layer that repeats failed requests, for a store bills every try.

import { type RequestPrices, requestsUsd } from "../prices.ts";
import type { Channel, Storage } from "../storage.ts";
import { layered } from "./layer.ts";

export interface MeterReading {
  /** Puts, also those that found the key taken (`exists`) and those that failed. */
  puts: number;
  exists: number;
  /** Gets that brought an object, and those that failed. */
  gets: number;
  /** Gets that found nothing: polls that came too early, mostly. */
  misses: number;
  /** Requests: a batch of `batchKeys` is one. */
  deletes: number;
  /** Requests: a page is one. */
  lists: number;
  /** Requests of the above that repeat one that failed. */
  retries: number;
  bytesUp: number;
  bytesDown: number;
}

export interface Metered {
  readonly reading: Readonly<MeterReading>;
}

/** What S3 lists at once; no store bills larger pages. */
const PAGE_KEYS = 1000;

export function nothingRead(): MeterReading {
  return {
    ...{ puts: 0, exists: 0, gets: 0, misses: 0, deletes: 0, lists: 0, retries: 0 },
    ...{ bytesUp: 0, bytesDown: 0 },
  };
}

/** Everything that a store may charge for. */
export function requestCount(reading: Readonly<MeterReading>): number {
  return reading.puts + reading.gets + reading.misses + reading.deletes + reading.lists;
}

/** US dollars. Where values are priced by size, as if all puts were equally large, and so all gets. */
export function usd(reading: Readonly<MeterReading>, prices: RequestPrices): number {
  return requestsUsd(prices, reading) + reading.misses * prices.getUsd;
}

/** `channel` if it has a meter, as all that open.ts opens have; else a new one around it. */
export function metered<S extends Channel>(channel: S): S & Metered {
  return "reading" in channel ? (channel as S & Metered) : withMeter(channel);
}

/** `inner`, counted into `reading`. */
export function withMeter<S extends Channel>(inner: S, reading?: MeterReading): S & Metered;
export function withMeter(
  inner: Channel | Storage,
  reading: MeterReading = nothingRead(),
): (Channel | Storage) & Metered {
  const { batchKeys, blockingWait } = inner.capabilities;
  const received = (bytes: Uint8Array): void => {
    reading.gets++;
    reading.bytesDown += bytes.byteLength;
  };
  const changed = layered<Channel | Storage>(inner, {
    async put(key, parts, options) {
      reading.puts++;
      for (const part of parts) reading.bytesUp += part.byteLength;
      const outcome = await inner.put(key, parts, options);
      if (outcome === "exists") reading.exists++;
      return outcome;
    },
    async get(ref, into) {
      let bytes: Uint8Array | undefined;
      try {
        bytes = await inner.get(ref, into);
      } catch (error) {
        reading.gets++;
        throw error;
      }
      if (bytes === undefined) reading.misses++;
      else received(bytes);
      return bytes;
    },
    ...(blockingWait && {
      async *waitFor(refs, options) {
        for await (const arrival of inner.waitFor(refs, options)) {
          received(arrival.bytes);
          yield arrival;
        }
      },
    }),
    delete(keys) {
      reading.deletes += Math.ceil(keys.length / batchKeys);
      return inner.delete(keys);
    },
    ...("list" in inner && {
      async *list(prefix) {
        let keys = 0;
        for await (const key of inner.list(prefix)) {
          if (keys++ % PAGE_KEYS === 0) reading.lists++;
          yield key;
        }
        if (keys === 0) reading.lists++;
      },
      deleteFolder(folder) {
        reading.deletes++;
        return inner.deleteFolder(folder);
      },
    }),
  });
  return Object.assign(changed, { reading });
}
