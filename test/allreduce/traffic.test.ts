// The traffic model against the meter, with as many workers as no test machine has.

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { REQUEST_PRICES, requestsUsd } from "../../src/storage/prices.ts";
import type { Crowd, Measured } from "./crowd.ts";

async function measure(crowd: Crowd): Promise<Measured> {
  const worker = new Worker(new URL("./crowd.ts", import.meta.url), { workerData: crowd });
  const [measured] = (await once(worker, "message")) as [Measured];
  return measured;
}

for (const crowd of [
  { reduce: "scatter-reduce", worldSize: 100, elements: 64 * 200, rounds: 2 },
  { reduce: "scatter-reduce:10", worldSize: 100, elements: 64 * 200, rounds: 2 },
  { reduce: "tree:1,5,22,100", worldSize: 100, elements: 64 * 200, rounds: 2 },
  { reduce: "hierarchical", worldSize: 1000, elements: 64 * 64, rounds: 1 },
]) {
  test(`a round of ${crowd.worldSize} ranks by ${crowd.reduce} makes the requests that the model says`, async () => {
    const { measured, predicted } = await measure(crowd);
    assert.deepEqual([measured.puts, measured.gets], [predicted.puts, predicted.gets]);
    if (crowd.rounds > 1) {
      // Scalars ride with one piece only, and the model counts them for all.
      for (const kind of ["bytesUp", "bytesDown"] as const) {
        assert.ok(measured[kind] <= predicted[kind] && measured[kind] > 0.99 * predicted[kind]);
      }
    }
    assert.equal(predicted.usd, requestsUsd(REQUEST_PRICES.s3, measured));
    if (crowd.reduce.startsWith("scatter-reduce")) assert.ok(measured.puts <= 2 * crowd.worldSize);
  });
}
