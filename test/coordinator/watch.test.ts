import assert from "node:assert/strict";
import { test } from "node:test";
import { RunWatch } from "../../src/coordinator/watch.ts";
import { pollUsd } from "../../src/plan/watch-pace.ts";
import { putJson } from "../../src/run/json-object.ts";
import { runKeys } from "../../src/run/keys.ts";
import { usd } from "../../src/storage/layers/meter.ts";
import { openStorage } from "../../src/storage/open.ts";
import { REQUEST_PRICES } from "../../src/storage/prices.ts";

const keys = runKeys("r");

async function watching(name: string, workers: number) {
  const storage = await openStorage(`memory:${name}?prices=s3`);
  const events: string[] = [];
  const watch = new RunWatch({
    ...{ storage, progress: storage, runId: "r", attempt: 0, workers, epochsBefore: 0 },
    onLease: ({ rank, generation }) => events.push(`lease ${rank}.${generation}`),
    onWorkerEnded: ({ rank }) => events.push(`ended ${rank}`),
    onEpoch: ({ epoch }) => events.push(`epoch ${epoch}`),
    onProgress: ({ step }) => events.push(`step ${step}`),
  });
  const act = async (rank: number, generation: number, step: number) => {
    await putJson(storage, keys.lease(0, rank, generation), { requestId: `${rank}.${generation}` });
    await putJson(storage, keys.heartbeat(0, rank, generation), { rank, generation, step });
  };
  return { storage, events, watch, act };
}

for (const workers of [4, 100]) {
  test(`once ${workers} workers have started, a poll of theirs costs what the pace reckons with`, async () => {
    const { storage, watch, act, events } = await watching(`paced-${workers}`, workers);
    for (let rank = 0; rank < workers; rank++) await act(rank, 0, 1);
    assert.equal(await watch.poll(), false);
    assert.equal(events.filter((event) => event.startsWith("lease")).length, workers);
    const prices = REQUEST_PRICES.s3;
    const before = usd(storage.reading, prices);
    await watch.poll();
    const spent = usd(storage.reading, prices) - before;
    assert.ok(Math.abs(spent - pollUsd(prices, workers)) < 1e-12, `${spent}`);
  });
}

test("all ranks' results are read once the first has one, in the order of ranks", async () => {
  const { storage, watch, events } = await watching("ended", 2);
  await putJson(storage, keys.result(0, 1), { rank: 1 });
  assert.equal(await watch.poll(), false);
  await putJson(storage, keys.result(0, 0), { rank: 0 });
  assert.equal(await watch.poll(), true);
  assert.deepEqual(events, ["ended 0", "ended 1"]);
});

test("progress is told by the newest generation of rank 0, and is none if that has come no further", async () => {
  const { watch, act, events } = await watching("generations", 3);
  await act(0, 0, 5);
  await act(1, 0, 5);
  await watch.poll();
  const before = watch.progress;
  await act(0, 1, 5);
  await watch.poll();
  assert.equal(watch.progress, before);
  await act(0, 1, 6);
  await act(0, 0, 5);
  await watch.poll();
  assert.notEqual(watch.progress, before);
  assert.deepEqual(events, ["lease 0.0", "lease 1.0", "step 5", "lease 0.1", "step 5", "step 6"]);
  assert.deepEqual(
    watch.open.map(({ generation }) => generation),
    [1, 0, -1],
  );
});

test("a failure of any rank is found, whether it is asked for or listed", async () => {
  for (const workers of [2, 100]) {
    const { storage, watch } = await watching(`failed-${workers}`, workers);
    const failure = { rank: 1, step: 7, code: "data-damaged", message: "told", suggestions: [] };
    await putJson(storage, keys.workerFailure(0, 1), failure);
    await assert.rejects(watch.poll(), { name: "Error", message: "told", failure });
  }
});
