import assert from "node:assert/strict";
import { test } from "node:test";
import { gpusOf } from "../../src/coordinator/summarise.ts";
import type { WorkerResult } from "../../src/run/records.ts";

/** A worker's second of which it has used the GPU for `busyMs`. */
function resultOf(rank: number, index: number | undefined, busyMs: number): WorkerResult {
  const gpu = { index: index ?? -1, name: `gpu ${index}`, isSoftware: false };
  const totals = {
    ...{ computeMs: 600, dataMs: 0, exchangeMs: 300, waitMs: 100, gpuBusyMs: busyMs },
    ...{ bytesUp: 0, bytesDown: 0, requests: 0, requestsUsd: 0 },
  };
  return { rank, totals, ...(index === undefined ? {} : { gpu }) } as WorkerResult;
}

test("a GPU's share of busy time adds up over the workers that share it", () => {
  const gpus = gpusOf([resultOf(0, 1, 250), resultOf(1, 1, 350), resultOf(2, 0, 100)]);
  assert.deepEqual(gpus, [
    { index: 0, name: "gpu 0", isSoftware: false, ranks: [2], busyShare: 0.1 },
    { index: 1, name: "gpu 1", isSoftware: false, ranks: [0, 1], busyShare: 0.6 },
  ]);
});

test("a GPU that tells no time has none, and a run on processors no GPU", () => {
  assert.equal(gpusOf([resultOf(0, 0, 0)])[0]!.busyShare, null);
  assert.deepEqual(gpusOf([resultOf(0, undefined, 0)]), []);
});
