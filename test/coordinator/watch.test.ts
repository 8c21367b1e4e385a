import assert from "node:assert/strict";
import { test } from "node:test";
import type { FunctionExit, Invocation } from "../../src/coordinator/provider.ts";
import { RunWatch, type WatchOptions } from "../../src/coordinator/watch.ts";
import { pollUsd } from "../../src/plan/watch-pace.ts";
import { putJson } from "../../src/run/json-object.ts";
import { runKeys } from "../../src/run/keys.ts";
import { usd } from "../../src/storage/layers/meter.ts";
import { openStorage } from "../../src/storage/open.ts";
import { REQUEST_PRICES } from "../../src/storage/prices.ts";

const keys = runKeys("r");

function invocation(rank: number, exited: Promise<FunctionExit> = new Promise(() => undefined)): Invocation {
  return { rank, exited, kill: () => undefined, logTail: () => Promise.resolve(["last words"]) };
}

async function watching(name: string, invocations: readonly Invocation[]) {
  const storage = await openStorage(`memory:${name}?prices=s3`);
  const events: string[] = [];
  const options: WatchOptions = {
    ...{ storage, runId: "r", attempt: 0, invocations, epochsBefore: 0, pollMs: 60_000 },
    onWorkerStarted: ({ rank }) => events.push(`started ${rank}`),
    onWorkerEnded: ({ rank }) => events.push(`ended ${rank}`),
    onEpoch: ({ epoch }) => events.push(`epoch ${epoch}`),
    onProgress: ({ step }) => events.push(`step ${step}`),
  };
  const beat = (rank: number, step: number) => putJson(storage, keys.heartbeat(0, rank, 0), { rank, step });
  return { storage, events, watch: new RunWatch(options), beat };
}

for (const workers of [4, 100]) {
  test(`once ${workers} workers have started, a poll of theirs costs what the pace reckons with`, async () => {
    const ranks = Array.from({ length: workers }, (_, rank) => rank);
    const { storage, watch, beat, events } = await watching(
      `paced-${workers}`,
      ranks.map((rank) => invocation(rank)),
    );
    for (const rank of ranks) await beat(rank, 1);
    assert.equal(await watch.poll(), false);
    assert.equal(events.filter((event) => event.startsWith("started")).length, workers);
    const prices = REQUEST_PRICES.s3;
    const before = usd(storage.reading, prices);
    await watch.poll();
    const spent = usd(storage.reading, prices) - before;
    assert.ok(Math.abs(spent - pollUsd(prices, workers)) < 1e-12, `${spent}`);
  });
}

test("all ranks' results are read once the first has one, in the order of ranks", async () => {
  const { storage, watch, events } = await watching("ended", [invocation(0), invocation(1)]);
  await putJson(storage, keys.result(0, 1), { rank: 1 });
  assert.equal(await watch.poll(), false);
  await putJson(storage, keys.result(0, 0), { rank: 0 });
  assert.equal(await watch.poll(), true);
  assert.deepEqual(events, ["started 0", "ended 0", "started 1", "ended 1"]);
  assert.deepEqual(
    watch.results.map(({ rank }) => rank),
    [0, 1],
  );
});

test("a failure of any rank is found, whether it is asked for or listed", async () => {
  for (const workers of [2, 100]) {
    const ranks = Array.from({ length: workers }, (_, rank) => rank);
    const { storage, watch } = await watching(
      `failed-${workers}`,
      ranks.map((rank) => invocation(rank)),
    );
    const failure = { rank: 1, step: 7, code: "data-damaged", message: "told", suggestions: [] };
    await putJson(storage, keys.workerFailure(0, 1), failure);
    await assert.rejects(watch.poll(), { code: "data-damaged", message: "worker 1 at step 7: told" });
  }
});

test("a function that ends wakes the watcher, and its silence is told with the step of its last heartbeat", async () => {
  let exit: (exit: FunctionExit) => void = () => undefined;
  const exited = new Promise<FunctionExit>((resolve) => (exit = resolve));
  const { watch, beat } = await watching("killed", [invocation(0), invocation(1, exited)]);
  await beat(1, 5);
  assert.equal(await watch.poll(), false);
  const paused = watch.pause();
  exit({ code: null, signal: "SIGKILL" });
  await paused;
  await assert.rejects(watch.poll(), /worker 1 at step 5 was ended by SIGKILL; .*\n {2}last words/);
});
