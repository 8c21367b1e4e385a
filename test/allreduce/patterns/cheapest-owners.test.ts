import assert from "node:assert/strict";
import { test } from "node:test";
import { patternAt } from "../../../src/allreduce/pattern.ts";
import { cheapestOwners, roundUsd } from "../../../src/allreduce/patterns/cheapest-owners.ts";
import { parseReduce } from "../../../src/allreduce/patterns/index.ts";
import { REQUEST_PRICES } from "../../../src/storage/prices.ts";

const job = (worldSize: number, sizeBytes: number) => ({ worldSize, sizeBytes, prices: REQUEST_PRICES.s3 });

test("no other number of owners costs less", () => {
  for (const worldSize of [1, 2, 7, 100]) {
    for (const sizeBytes of [0, 1e6, 90e6]) {
      const one = job(worldSize, sizeBytes);
      const costs = Array.from({ length: worldSize }, (_, i) => roundUsd(one, i + 1));
      assert.equal(roundUsd(one, cheapestOwners(one)), Math.min(...costs));
    }
  }
});

test("large gradients have more owners than small ones, and dear reads fewer than cheap ones", () => {
  const owners = [0.2e6, 2e6, 20e6, 200e6].map((sizeBytes) => cheapestOwners(job(100, sizeBytes)));
  assert.deepEqual(
    owners,
    owners.toSorted((a, b) => a - b),
  );
  assert.ok(owners[0]! < 10 && owners[3] === 100, owners.join(", "));
  const { s3 } = REQUEST_PRICES;
  const dear = { ...job(100, 20e6), prices: { ...s3, getUsd: 10 * s3.getUsd } };
  assert.ok(cheapestOwners(dear) < cheapestOwners(job(100, 20e6)));
});

test("scatter-reduce plans its owners where requests have a price, unless it was told how many", () => {
  const bucket = { begin: 0, end: 64 * 1000 };
  const ownersOf = (spec: string, prices?: typeof REQUEST_PRICES.s3) =>
    patternAt(prices, parseReduce(spec)).plan(bucket, 100, 0).means.length;
  assert.equal(ownersOf("scatter-reduce"), 100);
  assert.equal(ownersOf("scatter-reduce", REQUEST_PRICES.s3), cheapestOwners(job(100, 256_000)));
  assert.equal(ownersOf("scatter-reduce:50", REQUEST_PRICES.s3), 50);
});
