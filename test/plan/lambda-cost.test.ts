import assert from "node:assert/strict";
import { test } from "node:test";
import { AWS_PRICES, estimateLambdaCostUsd } from "../../src/plan/lambda-cost.ts";

const none = { put: 0, get: 0 };

function assertClose(actual: number, expected: number): void {
  assert.ok(
    Math.abs(actual - expected) <= 1e-9 * Math.max(1e-6, Math.abs(expected)),
    `${actual} is not ${expected}`,
  );
}

test("compute is memory times billed time, by architecture", () => {
  const run = { workers: 10, memoryMiB: 2048, wallMs: 60_000, requests: none };
  assertClose(estimateLambdaCostUsd(run).computeUsd, 10 * 2 * 60 * 1.66667e-5);
  assertClose(estimateLambdaCostUsd({ ...run, architecture: "arm64" }).computeUsd, 10 * 2 * 60 * 1.33334e-5);
});

test("time is billed in whole milliseconds", () => {
  const run = { workers: 1, memoryMiB: 1024, requests: none };
  assert.equal(
    estimateLambdaCostUsd({ ...run, wallMs: 0.2 }).computeUsd,
    estimateLambdaCostUsd({ ...run, wallMs: 1 }).computeUsd,
  );
});

test("a run that outlives one invocation pays for the next", () => {
  const run = { workers: 2, memoryMiB: 128, requests: none };
  assertClose(estimateLambdaCostUsd({ ...run, wallMs: 15 * 60_000 }).requestsUsd, 2 * 0.2e-6);
  assertClose(estimateLambdaCostUsd({ ...run, wallMs: 15 * 60_000 + 1 }).requestsUsd, 4 * 0.2e-6);
});

test("a ScatterReduce round of 100 workers over S3 costs 5.8 cents in requests", () => {
  const { storageUsd } = estimateLambdaCostUsd({
    workers: 100,
    memoryMiB: 1769,
    wallMs: 1000,
    requests: { put: 10_000, get: 19_800 },
  });
  assertClose(storageUsd, 0.05792);
});

test("S3 Express asks for bytes too, as in the first example of AWS's S3 FAQ", () => {
  const { storageUsd } = estimateLambdaCostUsd({
    workers: 1,
    memoryMiB: 128,
    wallMs: 0,
    channel: "s3-express",
    requests: { put: 1_000_000, get: 9_000_000 },
    bytes: { up: 1_000_000 * 10 * 1024, down: 9_000_000 * 10 * 1024 },
  });
  assert.equal(storageUsd.toFixed(2), "1.48");
});

test("DynamoDB counts a write per KiB and a read per 4 KiB", () => {
  const run = { workers: 1, memoryMiB: 128, wallMs: 0, channel: "dynamodb" } as const;
  const small = { put: 10, get: 10 };
  assertClose(
    estimateLambdaCostUsd({ ...run, requests: small, bytes: { up: 10, down: 10 } }).storageUsd,
    10 * 0.625e-6 + 10 * 0.125e-6,
  );
  assertClose(
    estimateLambdaCostUsd({ ...run, requests: small, bytes: { up: 10 * 8192, down: 10 * 8192 } }).storageUsd,
    80 * 0.625e-6 + 20 * 0.125e-6,
  );
});

test("the total is the sum of its parts", () => {
  const cost = estimateLambdaCostUsd({
    workers: 3,
    memoryMiB: 512,
    wallMs: 1234,
    requests: { put: 7, get: 11 },
  });
  assertClose(cost.totalUsd, cost.computeUsd + cost.requestsUsd + cost.storageUsd);
});

test("prices carry their region, date and sources", () => {
  assert.match(AWS_PRICES.asOf, /^\d{4}/);
  assert.equal(AWS_PRICES.region, "us-east-1");
  for (const source of AWS_PRICES.sources) assert.match(source, /^https:/);
});

test("an amount that is no amount is refused by name", () => {
  const run = { workers: 1, memoryMiB: 128, wallMs: 1, requests: none };
  assert.throws(() => estimateLambdaCostUsd({ ...run, wallMs: NaN }), {
    code: "cost-bad-number",
    message: /wallMs.*NaN/,
  });
  assert.throws(() => estimateLambdaCostUsd({ ...run, requests: { put: -1, get: 0 } }), {
    message: /put.*-1/,
  });
});
