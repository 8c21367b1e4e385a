import assert from "node:assert/strict";
import { test } from "node:test";
import type { Functions } from "../../src/functions/functions.ts";
import { RUN_SCHEMA_VERSION, type StarterEvent, type WorkerEvent } from "../../src/run/records.ts";
import { startByStarters, STARTER_FAN_OUT, startWorkers } from "../../src/run/start-workers.ts";
import { openStorage } from "../../src/storage/open.ts";

const crew: Omit<StarterEvent, "ranks"> = {
  ...{ schemaVersion: RUN_SCHEMA_VERSION, kind: "starter", runId: "r", attempt: 0, workers: 40 },
  ...{ storage: "memory:x", channel: "memory:x", functions: "local:x" },
};

function starterEvent(workers: number): StarterEvent {
  return { ...crew, ranks: [0, workers] };
}

/** Functions whose starters run as the handler would run them. */
async function starting(name: string) {
  const storage = await openStorage(`memory:${name}`);
  const workers: WorkerEvent[] = [];
  const starters: StarterEvent[] = [];
  const functions: Functions = {
    async invoke(event) {
      const got = event as WorkerEvent | StarterEvent;
      if (got.kind === "worker") {
        workers.push(got);
        return;
      }
      starters.push(got);
      await startByStarters({ storage, functions, event: got, by: "starter" });
    },
    close: () => Promise.resolve(),
  };
  return { storage, functions, workers, starters };
}

for (const count of [1, 16, 17, 100, 1000]) {
  test(`starters start each of ${count} ranks once, none of them more than its fan-out`, async () => {
    const { storage, functions, workers, starters } = await starting(`tree-${count}`);
    await functions.invoke(starterEvent(count));
    const ranks = workers.map(({ rank }) => rank).sort((a, b) => a - b);
    assert.deepEqual(
      ranks,
      Array.from({ length: count }, (_, rank) => rank),
    );
    const leaves = starters.filter(({ ranks: [begin, end] }) => end - begin <= STARTER_FAN_OUT);
    assert.ok(leaves.length <= Math.ceil(count / STARTER_FAN_OUT) * 2, `${leaves.length}`);
    await storage.close();
  });
}

test("starters that are delivered twice, and a coordinator beside them, start each rank once", async () => {
  const { storage, functions, workers } = await starting("twice");
  const twice: Functions = {
    invoke: async (event) => {
      await functions.invoke(event);
      await functions.invoke(event);
    },
    close: () => functions.close(),
  };
  await twice.invoke(starterEvent(40));
  await startWorkers({ storage, functions, event: starterEvent(40), by: "coordinator" });
  assert.equal(workers.length, 40);
  assert.deepEqual(workers[0], {
    ...{ schemaVersion: RUN_SCHEMA_VERSION, kind: "worker", runId: "r", attempt: 0, workers: 40 },
    ...{ storage: "memory:x", channel: "memory:x", functions: "local:x" },
    ...{ rank: 0, generation: 0, reason: "start" },
  });
});

test("a rank that is refused keeps no other from being started, and the refusal is thrown", async () => {
  const { storage, functions, workers } = await starting("refused");
  const refusing: Functions = {
    invoke: (event) =>
      (event as WorkerEvent).rank === 1 ? Promise.reject(new Error("throttled")) : functions.invoke(event),
    close: () => functions.close(),
  };
  const starts = startWorkers({ storage, functions: refusing, event: starterEvent(4), by: "coordinator" });
  await assert.rejects(starts, /throttled/);
  assert.equal(workers.length, 3);
});
