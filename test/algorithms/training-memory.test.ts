import assert from "node:assert/strict";
import { test } from "node:test";
import { Replica } from "../../src/algorithms/replica.ts";
import {
  keepsInputs,
  largestCount,
  memoryShares,
  refuseWithoutMemory,
  trainingMemory,
  type TrainingJob,
} from "../../src/algorithms/training-memory.ts";
import type { DataManifest } from "../../src/data/manifest.ts";
import type { Device } from "../../src/device/device.ts";
import { createReferenceDevice } from "../../src/device/reference/reference-device.ts";
import { SltrainError } from "../../src/errors.ts";
import { builtinModels } from "../../src/models/builtin.ts";
import { optimizerOf } from "../../src/optim/optimizer.ts";

const topology = builtinModels
  .find(({ name }) => name === "mlp")!
  .topology({ inputShape: [6, 5, 1], outputs: 4 });
const job: TrainingJob = {
  topology,
  loss: "softmax-cross-entropy",
  optimizer: optimizerOf({ optimizer: "adam", lr: 0.01 }),
};

function total(count: number): number {
  const { arenaBytes, vectorsBytes } = trainingMemory(job, count);
  return arenaBytes + vectorsBytes;
}

test("the planned memory is what a replica allocates", async () => {
  const device = createReferenceDevice({ precision: "f32" });
  let allocatedBytes = 0;
  const counting: Device = {
    ...device,
    alloc(elements, label) {
      allocatedBytes += elements * 4;
      return device.alloc(elements, label);
    },
  };
  const replica = new Replica({ device: counting, topology, loss: job.loss, seed: 1 });
  await replica.useOptimizer(job.optimizer);
  const { step } = await replica.training(37);
  assert.deepEqual(trainingMemory(job, 37), { arenaBytes: step.arenaBytes, vectorsBytes: allocatedBytes });
});

test("the largest count fits and one more does not", () => {
  for (const limitBytes of [total(1), total(9), total(64) - 1, total(64)]) {
    const largest = largestCount(job, limitBytes, 1000);
    assert.ok(
      total(largest) <= limitBytes && total(largest + 1) > limitBytes,
      `${largest} for ${limitBytes}`,
    );
  }
  assert.equal(largestCount(job, total(1) - 1, 1000), 0);
});

/** Rows of 1,024 bytes and a label. */
function data(rows: number): DataManifest {
  return {
    ...{
      schemaVersion: 2,
      id: "0",
      name: "any",
      contentHash: "0",
      source: "any",
      transform: { scale: [1], offset: [0] },
      task: "classification",
      classes: 2,
    },
    ...{ featureShape: [1024], featureType: "u8", counts: { train: rows, validation: 1 } },
    ...{ classCounts: { train: [], validation: [] }, skippedRecords: 0 },
    blocks: { train: [], validation: [] },
  };
}

test("steps that do not fit are refused, naming need, limit, the largest count and the memory that fit", () => {
  const share = { memoryMiB: 128, data: data(1) };
  const { trainingBytes } = memoryShares(share.memoryMiB, share.data);
  refuseWithoutMemory(job, 64, share);
  const tooMany = 1 << 17;
  const largest = largestCount(job, trainingBytes, tooMany);
  assert.throws(
    () => refuseWithoutMemory(job, tooMany, share),
    (error: unknown) => {
      assert.ok(error instanceof SltrainError && error.code === "out-of-memory", String(error));
      assert.match(
        error.message,
        /^mlp: expected steps that fit the .* MiB which a function of 128 MiB has .*, got 131,072 samples per worker/,
      );
      assert.match(
        error.message,
        /which need .* MiB \(.* of activations, .* of parameters, state and batch\)/,
      );
      assert.ok(error.message.endsWith(`at most ${largest.toLocaleString("en-US")} fit`), error.message);
      const enough = Number(/--memory-mib (\d+)/.exec(error.suggestions.join())?.[1]);
      refuseWithoutMemory(job, tooMany, { ...share, memoryMiB: enough });
      assert.throws(() => refuseWithoutMemory(job, tooMany, { ...share, memoryMiB: enough - 64 }));
      return true;
    },
  );
});

test("a part of a step over all rows that does not fit is refused with the memory that does, and nothing else", () => {
  const rows = 1 << 17;
  const share = { memoryMiB: 128, data: data(rows), takesAllRows: true };
  assert.throws(
    () => refuseWithoutMemory(job, rows, share),
    (error: SltrainError) => {
      assert.match(error.message, /got 131,072 samples at a time, which need/);
      const [suggestion, ...others] = error.suggestions;
      assert.deepEqual(others, []);
      const enough = Number(/--memory-mib (\d+)/.exec(suggestion!)?.[1]);
      refuseWithoutMemory(job, rows, { ...share, memoryMiB: enough });
      return true;
    },
  );
});

test("inputs stay on a device that has room for all of them beside what a part needs", () => {
  const share = { memoryMiB: 128, data: data(0) };
  const { trainingBytes } = memoryShares(share.memoryMiB, share.data);
  // 30 values and the class, in tensors of multiples of 64 elements, beside counters and the like.
  const inputBytes = 4 * (30 * 6400 + 6400);
  const parts = Math.floor((trainingBytes - total(6400)) / inputBytes) + 1;
  assert.ok(keepsInputs(job, { part: 6400, count: (parts - 1) * 6400 }, share));
  assert.ok(!keepsInputs(job, { part: 6400, count: (parts + 1) * 6400 }, share));
});

test("a model that no function holds is refused without a memory that would do", () => {
  const share = { memoryMiB: 10_240, data: data(1) };
  assert.throws(
    () => refuseWithoutMemory(job, 1 << 28, share),
    (error: SltrainError) => /smaller model/.test(error.suggestions.join()),
  );
});

test("data may take half of a function's memory; training has what data and runtime leave", () => {
  const none = memoryShares(512, data(0));
  assert.equal(none.dataBytes, 256 * 2 ** 20);
  assert.ok(none.trainingBytes < 512 * 2 ** 20);
  const some = memoryShares(512, data(1024));
  assert.equal(none.trainingBytes - some.trainingBytes, 1024 * (1024 + 4));
  const all = memoryShares(512, data(1 << 24));
  assert.equal(none.trainingBytes - all.trainingBytes, none.dataBytes);
});
