// More ranks than a test machine has, in one thread over memory. A thread of its own, for the test runner follows every
// promise of its own thread, and a thousand ranks make millions.

import assert from "node:assert/strict";
import { parentPort, workerData } from "node:worker_threads";
import { collectiveLanes, openCollective } from "../../src/allreduce/open-collective.ts";
import { parseReduce } from "../../src/allreduce/patterns/index.ts";
import { type Traffic, traffic } from "../../src/allreduce/traffic.ts";
import { f32 } from "../../src/shard/codec/f32.ts";
import { withMeter } from "../../src/storage/layers/meter.ts";
import { openChannel } from "../../src/storage/open.ts";
import { REQUEST_PRICES } from "../../src/storage/prices.ts";
import type { Channel } from "../../src/storage/storage.ts";

const layoutOf = (length: number) => ({
  entries: [{ name: "w", shape: [length], offset: 0, length }],
  length,
});

/** Tells who waits of what is put, so that a thousand ranks need not ask all the time. */
function announcing(channel: Channel): Channel {
  const waiting = new Map<string, (() => void)[]>();
  return {
    ...channel,
    capabilities: { ...channel.capabilities, blockingWait: true },
    async put(key, parts, options) {
      const outcome = await channel.put(key, parts, options);
      for (const tell of waiting.get(key) ?? []) tell();
      waiting.delete(key);
      return outcome;
    },
    async *waitFor(refs) {
      for (const [index, ref] of refs.entries()) {
        let bytes = await channel.get(ref, ref.into);
        if (bytes === undefined) {
          await new Promise<void>((tell) => waiting.set(ref.key, [...(waiting.get(ref.key) ?? []), tell]));
          bytes = await channel.get(ref, ref.into);
        }
        yield { index, bytes: bytes! };
      }
    },
  };
}

export interface Crowd {
  readonly reduce: string;
  readonly worldSize: number;
  readonly elements: number;
  readonly rounds: number;
}

/** The last round of all ranks together: what it asked of the store, and what was predicted. */
export interface Measured {
  readonly measured: Omit<Traffic, "usd" | "meanBytesUp">;
  readonly predicted: Traffic;
}

async function measure({ reduce: spec, worldSize, elements, rounds }: Crowd): Promise<Measured> {
  const store = withMeter(announcing(await openChannel(`memory:traffic-${spec}-${worldSize}`)));
  const grid = {
    ...{ layout: layoutOf(elements), bucketBytes: 4096, reduce: parseReduce(spec), codec: f32 },
    packed: true,
  };
  const ranks = await Promise.all(
    Array.from({ length: worldSize }, (_, rank) =>
      openCollective({
        ...{ channel: store, runId: "run", rank, worldSize, generation: 0, seed: 1, zstd: "off" },
        ...grid,
      }),
    ),
  );
  let before = { ...store.reading };
  for (let step = 0; step < rounds; step++) {
    before = { ...store.reading };
    await Promise.all(
      ranks.map(async (collective, rank) => {
        const round = collective.begin({ step, weight: 1, timeoutMs: 60_000 });
        const vector = new Float32Array(elements).fill(rank);
        for (const [i, { begin, end }] of collective.buckets.entries())
          round.push(i, vector.subarray(begin, end));
        await round.finish(Float64Array.of(1), vector);
        assert.ok(vector.every((value) => value === (worldSize - 1) / 2));
      }),
    );
  }
  const lastRound = (kind: "puts" | "gets" | "bytesUp" | "bytesDown"): number =>
    store.reading[kind] - before[kind];
  return {
    measured: {
      puts: lastRound("puts"),
      gets: lastRound("gets"),
      bytesUp: lastRound("bytesUp"),
      bytesDown: lastRound("bytesDown"),
    },
    predicted: traffic({
      ...{ worldSize, ...collectiveLanes(grid, undefined).gradients, scalarCount: 1 },
      prices: REQUEST_PRICES.s3,
    }),
  };
}

parentPort!.postMessage(await measure(workerData as Crowd));
