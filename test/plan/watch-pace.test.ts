import assert from "node:assert/strict";
import { test } from "node:test";
import { estimateLambdaCostUsd } from "../../src/plan/lambda-cost.ts";
import { lookUsd, pollUsd, watchPace } from "../../src/plan/watch-pace.ts";
import { REQUEST_PRICES } from "../../src/storage/prices.ts";

const stores = Object.entries(REQUEST_PRICES);

test("looking after a run costs at most a hundredth of its functions and two cents an hour, on any store and for any crew", () => {
  for (const [store, prices] of stores) {
    for (const workers of [1, 2, 8, 100, 1000]) {
      for (const memoryMiB of [1769, 10_240]) {
        const { leaderBeatMs, beatMs, lookMs, pollMs } = watchPace(prices, {
          workers,
          memoryMiB,
          timeoutS: 900,
        });
        const hourMs = 3_600_000;
        const usd =
          (hourMs / leaderBeatMs) * prices.putUsd +
          (workers - 1) * (hourMs / beatMs) * prices.putUsd +
          (hourMs / Math.min(lookMs, leaderBeatMs)) * lookUsd(prices) +
          (workers - 1) * (hourMs / lookMs) * lookUsd(prices) +
          (hourMs / pollMs) * pollUsd(prices, workers);
        const requests = { put: 0, get: 0 };
        const { computeUsd } = estimateLambdaCostUsd({ workers, memoryMiB, wallMs: hourMs, requests });
        assert.ok(usd <= 0.01 * computeUsd + 0.02, `${store}, ${workers} workers: ${usd} USD`);
      }
    }
  }
});

test("nobody waits longer than five seconds for what changes, and nobody asks a store with prices more often than a free one", () => {
  const free = watchPace(undefined, { workers: 1, memoryMiB: 128, timeoutS: 900 });
  for (const [, prices] of stores) {
    for (const workers of [1, 1000]) {
      for (const memoryMiB of [128, 10_240]) {
        const pace = watchPace(prices, { workers, memoryMiB, timeoutS: 900 });
        for (const name of Object.keys(pace) as (keyof typeof pace)[]) {
          const slowestMs = name === "beatMs" || name === "lookMs" ? 60_000 : 5_000;
          assert.ok(pace[name] <= slowestMs && pace[name] >= free[name], `${name} ${pace[name]}`);
        }
      }
    }
  }
});
