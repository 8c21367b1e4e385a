// The yardstick: LambdaML's ScatterReduce as its paper describes it (Jiang et al., SIGMOD 2021, section 3.2.3), with
// what it leaves out left out: each rank sends each other rank its part of the vector, lists until all parts of its own
// have come, adds them in the order of the listing, deletes them, writes the sum and lists until it has read all
// others': W^2 objects a round, one request after the other, raw f32. A channel that cannot list is asked for the keys.

import { assert } from "../../src/errors.ts";
import type { Channel, Storage } from "../../src/storage/storage.ts";
import type { Contender, ContenderOptions, PredictedRequests } from "./contender.ts";
import { WEIGHT } from "./gradients.ts";

interface Part {
  readonly begin: number;
  readonly end: number;
}

/** W (W - 1) parts and W sums are put, and each of the two is read W (W - 1) times. */
export function textbookTraffic(worldSize: number): PredictedRequests {
  const others = worldSize - 1;
  return { put: worldSize * others + worldSize, get: 2 * worldSize * others };
}

export interface TextbookOptions extends Omit<ContenderOptions, "channel"> {
  readonly channel: Channel;
}

export function openTextbook({ channel, runId, rank, worldSize, elements }: TextbookOptions): Contender {
  const peers = Array.from({ length: worldSize }, (_, peer) => peer).filter((peer) => peer !== rank);
  const parts = Array.from({ length: worldSize }, (_, part) => partOf(part, worldSize, elements));
  const prefixOf = (stage: string, step: number): string => `runs/${runId}/textbook/${stage}-${step}-`;
  const sumsPrefix = (step: number, owner: number): string => `${prefixOf("part", step)}${owner}-`;
  const own = parts[rank]!;

  return {
    async round(step, sums, mean) {
      for (const peer of peers) {
        const { begin, end } = parts[peer]!;
        await channel.put(`${sumsPrefix(step, peer)}${rank}`, [bytesOf(sums.subarray(begin, end))]);
      }
      const total = mean.subarray(own.begin, own.end);
      total.set(sums.subarray(own.begin, own.end));
      await takeAll(channel, sumsPrefix(step, rank), peers, async (_, values, key) => {
        for (let i = 0; i < total.length; i++) total[i]! += values[i]!;
        await channel.delete([key]);
      });
      for (let i = 0; i < total.length; i++) total[i]! /= worldSize * WEIGHT;
      await channel.put(`${prefixOf("sum", step)}${rank}`, [bytesOf(total)]);
      await takeAll(channel, prefixOf("sum", step), peers, (peer, values) => {
        mean.set(values, parts[peer]!.begin);
      });
    },
    sweep: (step) => channel.delete([`${prefixOf("sum", step)}${rank}`]),
    close: () => Promise.resolve(),
  };
}

/** Parts that differ by one value at most. */
function partOf(part: number, worldSize: number, elements: number): Part {
  const bound = (i: number): number =>
    Math.floor(elements / worldSize) * i + Math.min(i, elements % worldSize);
  return { begin: bound(part), end: bound(part + 1) };
}

/** Reads the object `<prefix><peer>` of each peer once, in the order in which they are found. */
async function takeAll(
  channel: Channel,
  prefix: string,
  peers: readonly number[],
  take: (peer: number, values: Float32Array, key: string) => Promise<void> | void,
): Promise<void> {
  const missing = new Set(peers);
  while (missing.size > 0) {
    for await (const key of listed(channel, prefix, missing)) {
      const peer = Number(key.slice(prefix.length));
      if (!missing.has(peer)) continue;
      const bytes = await channel.get({ key });
      if (bytes === undefined) continue;
      missing.delete(peer);
      await take(peer, valuesOf(bytes), key);
    }
  }
}

function listed(
  channel: Channel,
  prefix: string,
  missing: ReadonlySet<number>,
): AsyncIterable<string> | string[] {
  return isStorage(channel) ? channel.list(prefix) : [...missing].map((peer) => `${prefix}${peer}`);
}

function isStorage(channel: Channel): channel is Storage {
  return channel.capabilities.list && "list" in channel;
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

function valuesOf(bytes: Uint8Array): Float32Array {
  const aligned = bytes.byteOffset % Float32Array.BYTES_PER_ELEMENT === 0 ? bytes : bytes.slice();
  assert(aligned.byteLength % Float32Array.BYTES_PER_ELEMENT === 0, "a part is whole values");
  return new Float32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4);
}
