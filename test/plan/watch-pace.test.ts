import assert from "node:assert/strict";
import { test } from "node:test";
import { estimateLambdaCostUsd } from "../../src/plan/lambda-cost.ts";
import { lookUsd, pollUsd, watchPace } from "../../src/plan/watch-pace.ts";
import { REQUEST_PRICES } from "../../src/storage/prices.ts";

const stores = Object.entries(REQUEST_PRICES);

test("looking after a run costs at most a hundredth of its functions, on any store and for any crew", () => {
  for (const [store, prices] of stores) {
    for (const workers of [1, 2, 8, 100, 1000]) {
      for (const memoryMiB of [1769, 10_240]) {
        const { leaderBeatMs, beatMs, lookMs, pollMs } = watchPace(prices, { workers, memoryMiB });
        const hourMs = 3_600_000;
        const usd =
          (hourMs / leaderBeatMs) * prices.putUsd +
          (workers - 1) * (hourMs / beatMs) * prices.putUsd +
          workers * (hourMs / lookMs) * lookUsd(prices) +
          (hourMs / pollMs) * pollUsd(prices, workers);
        const requests = { put: 0, get: 0 };
        const { computeUsd } = estimateLambdaCostUsd({ workers, memoryMiB, wallMs: hourMs, requests });
        // A lone heartbeat on S3 would come every 70 s; somebody waits for it, so that it comes every minute.
        assert.ok(usd <= 0.0105 * computeUsd, `${store}, ${workers} workers: ${usd / computeUsd}`);
      }
    }
  }
});

test("nobody waits longer than a minute, and nobody asks a store with prices more often than a free one", () => {
  const free = watchPace(undefined, { workers: 1, memoryMiB: 128 });
  for (const [, prices] of stores) {
    for (const workers of [1, 1000]) {
      for (const memoryMiB of [128, 10_240]) {
        const pace = watchPace(prices, { workers, memoryMiB });
        for (const name of Object.keys(pace) as (keyof typeof pace)[]) {
          assert.ok(pace[name] <= 60_000 && pace[name] >= free[name], `${name} ${pace[name]}`);
        }
      }
    }
  }
});
