import assert from "node:assert/strict";
import { test } from "node:test";
import { resolveTrainConfig } from "../../src/config/resolve.ts";
import { checkFunction } from "../../src/coordinator/check-function.ts";
import { optimizerOf } from "../../src/optim/optimizer.ts";
import { data, topology } from "./lenet5-job.ts";

async function check(env: Record<string, string>): Promise<void> {
  const { config } = await resolveTrainConfig({ flags: {}, env, cwd: "/", cores: 1 });
  await checkFunction(config, data, {
    topology,
    loss: "softmax-cross-entropy",
    optimizer: optimizerOf(config),
  });
}

test("steps that a function has time for are taken", async () => {
  await check({ SLTRAIN_TIMEOUT_S: "3", SLTRAIN_MEMORY_MIB: "1769" });
  await check({ SLTRAIN_MEMORY_MIB: "128" });
});

test("a function that would end within its first steps is refused with what a measured step takes", async () => {
  const much = { SLTRAIN_BATCH_SIZE: "2048", SLTRAIN_MEMORY_MIB: "256" };
  await assert.rejects(check({ ...much, SLTRAIN_TIMEOUT_S: "3" }), {
    code: "timeout-too-short",
    message: /got 3 s: with 0\.14 vCPU a start takes 2\.76 s, and a step of 2,048 samples /,
  });
});
