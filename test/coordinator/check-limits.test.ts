import assert from "node:assert/strict";
import { test } from "node:test";
import { resolveTrainConfig } from "../../src/config/resolve.ts";
import { checkLimits } from "../../src/coordinator/check-limits.ts";
import { SltrainError } from "../../src/errors.ts";
import { layoutsOf, parameterCount } from "../../src/models/build.ts";
import { optimizerOf } from "../../src/optim/optimizer.ts";
import { frameBudget } from "../../src/run/frame-budget.ts";
import { RUN_SCHEMA_VERSION } from "../../src/run/records.ts";
import { REQUEST_PRICES, type RequestPrices } from "../../src/storage/prices.ts";
import { data, topology } from "./lenet5-job.ts";

/** `samples`: of an epoch. */
async function check(flags: Record<string, string>, samples: number, prices?: RequestPrices): Promise<void> {
  const { config } = await resolveTrainConfig({ flags, env: {}, cwd: "/", cores: 1 });
  const loss = "softmax-cross-entropy";
  const counts = { ...data.counts, train: samples };
  const frames = frameBudget({ config, prices, ...layoutsOf(topology), stepsPerEpoch: samples / 64 });
  const machine = { cpu: "any", cores: 1, memoryMiB: 1, platform: "any" };
  const versions = { sltrain: "0", node: "0", v8: "0" };
  await checkLimits(
    {
      ...{ schemaVersion: RUN_SCHEMA_VERSION, runId: "r", createdAt: "", machine, versions },
      ...{ config, data: { ...data, counts }, topology, loss, frames },
      parameterCount: parameterCount(topology),
    },
    { topology, loss, optimizer: optimizerOf(config) },
    prices,
  );
}

const refusalOf = async (...args: Parameters<typeof check>): Promise<SltrainError> => {
  const refused: unknown = await check(...args).then(
    () => assert.fail("it was taken"),
    (error: unknown) => error,
  );
  assert.ok(refused instanceof SltrainError, String(refused));
  return refused;
};

test("limits that leave room for an epoch are taken", async () => {
  await check({ "budget-usd": "1", deadline: "1h" }, 6400, REQUEST_PRICES.s3);
});

test("a budget below an epoch's price is refused, naming one that is enough", async () => {
  const error = await refusalOf({ "budget-usd": "0.001", workers: "8" }, 64_000, REQUEST_PRICES.s3);
  assert.equal(error.code, "budget-too-small");
  assert.match(error.suggestions.join(), /--algorithm local-sgd/);
  const enough = /--budget-usd ([\d.]+)/.exec(error.suggestions.join())![1]!;
  await check({ "budget-usd": enough, workers: "8" }, 64_000, REQUEST_PRICES.s3);
  const free = await refusalOf({ "budget-usd": "0.000000001" }, 64_000);
  assert.equal(free.code, "budget-too-small");
  assert.doesNotMatch(free.suggestions.join(), /local-sgd/);
});

test("a deadline before an epoch can be computed is refused, one that is past is not this check's", async () => {
  assert.equal((await refusalOf({ deadline: "1s" }, 1e9)).code, "deadline-too-soon");
  await check({ deadline: "2020-01-01T00:00Z" }, 1e9);
});
