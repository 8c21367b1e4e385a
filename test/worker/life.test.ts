// A worker's life among others of its rank: handing over, starting late, twice, or in place of a dead one. Whatever
// happens, the run ends with the bits of one that nothing happened to.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { decodeSafetensors } from "../../src/models/safetensors.ts";
import { getJson, putJson } from "../../src/run/json-object.ts";
import type { Heartbeat, WorkerResult } from "../../src/run/records.ts";
import {
  batchNormModel,
  type CrewOptions,
  LifeCrew,
  runsFolder,
  STEPS_PER_EPOCH,
  WORKERS,
} from "./life-crew.ts";

const folder = runsFolder();
after(() => folder.remove());

const prepare = (options: CrewOptions = {}) =>
  LifeCrew.prepare(folder.path, { ...options, settings: { epochs: 2, ...options.settings } });

/** What all ranks must have after an undisturbed run with these settings. */
async function undisturbed(settings: Readonly<Record<string, unknown>>) {
  const crew = await prepare({ settings });
  const results = await crew.run();
  return {
    shas: shasOf(results),
    epochs: (await crew.epochs()).map(learned),
    losses: results[0]!.firstLosses,
  };
}

const shasOf = (results: readonly WorkerResult[]) => results.map(({ parametersSha256 }) => parametersSha256);
const learned = (epoch: Awaited<ReturnType<LifeCrew["epochs"]>>[number]) => {
  const { step, loss, trainAccuracy, validationLoss, accuracy, gradientNorm } = epoch;
  return { step, loss, trainAccuracy, validationLoss, accuracy, gradientNorm };
};

// A step is an epoch.
const allRows = { "batch-size": undefined, tolerance: 1e-12 };
const admm = { ...allRows, algorithm: "admm" };
const em = { ...allRows, model: "kmeans", clusters: 20 };

const cases: Readonly<Record<string, Record<string, unknown>>> = {
  "gradient averaging": {},
  "batch normalisation's statistics": { model: batchNormModel(folder.path), optimizer: "adam" },
  "a mean gradient that is clipped, and tensors that do not decay": {
    ...{ "clip-norm": 0.5, "weight-decay": 0.01, "decay-except": "vectors", schedule: "inverse-sqrt" },
  },
  "smoothed labels of classes with weights": {
    ...{ "label-smoothing": 0.1, "class-weights": "balanced" },
  },
  "top-k's residuals": { compress: "top-k:10%" },
  "low-rank residuals": { compress: "powersgd:1" },
  "local steps with momentum": { algorithm: "local-sgd", "sync-every": 3, optimizer: "momentum" },
  "an outer optimizer": { algorithm: "diloco", "sync-every": 4 },
  "the duals of ADMM": { ...admm, epochs: 20 },
  "the clusters of EM": { ...em, epochs: 6 },
  "a tree": { reduce: "tree" },
};

for (const [name, settings] of Object.entries(cases)) {
  test(`workers that hand over every few steps end with the bits of an uncut run: ${name}`, async () => {
    const expected = await undisturbed(settings);
    // Ranks hand over at different steps.
    const crew = await prepare({
      settings,
      lives: ({ rank }) => ("algorithm" in settings || "clusters" in settings ? 2 + (rank % 2) : 5 + rank),
    });
    const results = await crew.run();
    assert.deepEqual(shasOf(results), expected.shas);
    assert.deepEqual((await crew.epochs()).map(learned), expected.epochs);
    assert.deepEqual(results[0]!.firstLosses, expected.losses);
    const handedOver = crew.started.filter(({ event }) => event.reason === "handover");
    assert.ok(handedOver.length >= WORKERS, `${handedOver.length} handovers`);
    assert.equal(results[0]!.steps, settings.epochs ?? 2 * STEPS_PER_EPOCH);
  });
}

test("a run that loses patience keeps its best model, also through handovers", async () => {
  const settings = { ...{ lr: 3, epochs: 12, patience: 2, keep: "best", "best-by": "loss" } };
  const expected = await prepare({ settings });
  const [{ reason, epochs } = assert.fail("no result")] = await expected.run();
  assert.equal(reason, "no-improvement");
  const best = epochs - 2;
  const handingOver = await prepare({ settings, lives: ({ rank }) => 5 + rank });
  await handingOver.run();
  // As long as it, and no further.
  const short = await prepare({ settings: { lr: 3, epochs: best } });
  await short.run();
  const modelOf = async (crew: LifeCrew) =>
    [...decodeSafetensors((await crew.storage.get({ key: crew.keys.model }))!, "").tensors.values()].map(
      ({ data }) => data,
    );
  const model = await modelOf(short);
  assert.deepEqual(await modelOf(expected), model);
  assert.deepEqual(await modelOf(handingOver), model);
  assert.deepEqual((await handingOver.epochs()).map(learned), (await expected.epochs()).map(learned));
});

test("epochs that are not validated say nothing of it, and workers that hand over there go on", async () => {
  const settings = { epochs: 3, "eval-every": 2 };
  const crew = await prepare({ settings, lives: ({ rank }) => 5 + rank });
  const results = await crew.run();
  const validated = (await crew.epochs()).map(({ accuracy, validationLoss }) => [
    accuracy !== null,
    validationLoss !== null,
  ]);
  assert.deepEqual(validated, [
    [false, false],
    [true, true],
    [true, true],
  ]);
  const plain = await prepare({ settings: { epochs: 3 } });
  assert.deepEqual(shasOf(results), shasOf(await plain.run()));
});

test("what a worker leaves on the channel is swept by those after it", async () => {
  const left = async (options: CrewOptions) => {
    const crew = await prepare(options);
    await crew.run();
    const listed = crew.keys.frames.map((prefix) => Array.fromAsync(crew.storage.list(prefix)));
    return (await Promise.all(listed)).flat().map((key) => key.split("/").at(-1)!);
  };
  for (const settings of [{}, { compress: "top-k:10%" }, { algorithm: "local-sgd", "sync-every": 3 }]) {
    const lives = ({ rank }: { readonly rank: number }) => ("algorithm" in settings ? 2 : 4) + (rank % 2);
    assert.deepEqual((await left({ settings, lives })).sort(), (await left({ settings })).sort());
  }
});

test("each generation's last heartbeat tells how it ended and what it is billed for", async () => {
  const crew = await prepare({ lives: () => 8 });
  await crew.run();
  for (let rank = 0; rank < WORKERS; rank++) {
    const beats = await Promise.all(
      [0, 1, 2].map((generation) =>
        getJson<Heartbeat>(crew.storage, crew.keys.heartbeat(0, rank, generation)),
      ),
    );
    assert.deepEqual(
      beats.map((beat) => beat?.state),
      ["handed-over", "handed-over", "ended"],
    );
    for (const { usage } of beats as Heartbeat[]) {
      assert.equal(usage.memoryMiB, 1769);
      assert.ok(usage.billedMs > 0 && usage.billedMs >= usage.initMs);
    }
  }
});

test("of starts of one rank at the same time one trains and the others end", async () => {
  const crew = await prepare();
  const twins = [0, 1, 2].map(() => crew.start(crew.eventOf(0)));
  const results = await crew.run();
  assert.equal(new Set(shasOf(results)).size, 1);
  const states = (await Promise.all([...twins, crew.started[3]!.end])).map(({ state }) => state);
  assert.deepEqual(states.sort(), ["ended", "fenced", "fenced", "fenced"]);
});

test("a start that comes when the run is over ends at once and leaves nothing", async () => {
  const crew = await prepare();
  await crew.run();
  const late = await crew.start(crew.eventOf(1));
  assert.equal(late.state, "fenced");
  // As the coordinator leaves it.
  await putJson(crew.storage, crew.keys.summary, {});
  for (const prefix of [crew.keys.leases, crew.keys.heartbeats, crew.keys.results])
    await crew.storage.deleteFolder(prefix);
  for (const reason of ["start", "rescue", "handover"] as const) {
    const { state } = await crew.start(crew.eventOf(1, { generation: 1, reason }));
    assert.equal(state, "fenced", reason);
  }
  assert.deepEqual(await Array.fromAsync(crew.storage.list(crew.keys.leases)), []);
});

test("whoever finds its generation held by a dead worker takes the next one", async () => {
  const expected = await undisturbed({});
  const crew = await prepare();
  await putJson(crew.storage, crew.keys.lease(0, 2, 0), {
    requestId: "dead",
    nonce: "dead",
    reason: "start",
    at: "",
  });
  const results = await crew.run();
  assert.deepEqual(shasOf(results), expected.shas);
  const beat = await getJson<Heartbeat>(crew.storage, crew.keys.heartbeat(0, 2, 1));
  assert.equal(beat?.state, "ended");
});

test("a worker whose time ends while it waits inside a step leaves it to its successor", async () => {
  const { shas } = await undisturbed({});
  let alone = true;
  const crew = await prepare({
    lifeMs: ({ rank, generation }) => (rank === 0 && generation === 0 ? 1_500 : 900_000),
    loses: ({ rank }) => alone && rank !== 0,
  });
  assert.equal((await crew.start(crew.eventOf(0))).state, "handed-over");
  const [, successor] = crew.started;
  assert.equal(successor?.event.reason, "handover");
  alone = false;
  for (const rank of [1, 2, 3]) void crew.start(crew.eventOf(rank));
  assert.deepEqual(shasOf(await crew.ended()), shas);
});

test("a handover that nobody took is taken by whoever is summoned next", async () => {
  const expected = await undisturbed({});
  const crew = await prepare({
    lives: ({ rank, generation }) => (rank === 1 && generation === 0 ? 9 : Infinity),
    loses: ({ reason }) => reason === "handover",
  });
  const starting = crew.run();
  for (;;) {
    const beat = await getJson<Heartbeat>(crew.storage, crew.keys.heartbeat(0, 1, 0));
    if (beat?.state === "handed-over") break;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await crew.start(crew.eventOf(1, { generation: 1, reason: "rescue" }));
  assert.deepEqual(shasOf(await starting), expected.shas);
});

test("a worker that finds the next generation's lease ends, and the next one ends the run", async () => {
  const expected = await undisturbed({ epochs: 12 });
  const crew = await prepare({ settings: { epochs: 12 } });
  const running = crew.run();
  while ((await crew.epochs()).length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  // Believed to be dead while it was frozen.
  const rescuer = crew.start(crew.eventOf(3, { generation: 1, reason: "rescue" }));
  const results = await running;
  assert.deepEqual(shasOf(results), expected.shas);
  assert.equal((await rescuer).state, "ended");
  assert.equal((await crew.started[3]!.end).state, "fenced");
});

for (const [name, settings] of Object.entries({
  "from the means alone": {},
  "by computing again": { compress: "top-k:10%" },
})) {
  test(`a rank that dies before any checkpoint does again what it had done, ${name}`, async () => {
    const oneEpoch = { ...settings, epochs: 1, "batch-size": 32 };
    const expected = await undisturbed(oneEpoch);
    const crew = await prepare({
      settings: oneEpoch,
      checkpointEverySteps: 1000,
      lives: ({ rank, generation }) => (rank === 2 && generation === 0 ? 6 : Infinity),
      loses: ({ reason }) => reason === "handover",
    });
    const running = crew.run();
    // It ends in good order, but all that it leaves is lost, as if it had been killed.
    assert.equal((await crew.started[2]!.end).state, "handed-over");
    await crew.storage.delete([crew.keys.handover(0, 2, 0)]);
    await crew.start(crew.eventOf(2, { generation: 1, reason: "rescue" }));
    assert.deepEqual(shasOf(await running), expected.shas);
  });
}
