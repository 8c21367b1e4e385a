import assert from "node:assert/strict";
import { after, test } from "node:test";
import { newestAttempt } from "../../src/run/attempts.ts";
import { getJson } from "../../src/run/json-object.ts";
import { appendMembers, type MembersEntry, readMembers, requestWorkers } from "../../src/run/membership.ts";
import type { WorkerEvent, WorkerResult } from "../../src/run/records.ts";
import { decisionOf, voteFor } from "../../src/worker/stop-vote.ts";
import { type CrewOptions, LifeCrew, runsFolder } from "./life-crew.ts";

const folder = runsFolder();
after(folder.remove);

interface Resized {
  readonly members: readonly MembersEntry[];
  readonly results: readonly WorkerResult[];
  readonly epochs: number;
  /** Functions that were started. */
  readonly starts: number;
}

/** A run with this log written beforehand, or with `requested` workers asked for at its start. */
async function resized(
  log: readonly MembersEntry[],
  { requested, ...options }: CrewOptions & { readonly requested?: number } = {},
): Promise<Resized> {
  const crew = await LifeCrew.prepare(folder.path, options);
  const { storage, keys, manifest } = crew;
  for (const entry of log) await appendMembers(storage, keys, entry);
  if (requested !== undefined) await requestWorkers(storage, manifest.runId, { workers: requested });
  await crew.run();
  const last = await newestAttempt(storage, manifest.runId);
  assert.ok(last);
  const results = Array.from({ length: last.record.workers }, (_, rank) =>
    getJson<WorkerResult>(storage, keys.result(last.attempt, rank)),
  );
  return {
    members: await readMembers(storage, keys),
    results: (await Promise.all(results)) as WorkerResult[],
    epochs: (await crew.epochs()).length,
    starts: crew.started.length,
  };
}

const LOG = [
  { fromStep: 10, workers: 6 },
  { fromStep: 17, workers: 3 },
];

/** For what is over sooner: three epochs of a step each. */
const EARLY_LOG = [
  { fromStep: 1, workers: 6 },
  { fromStep: 2, workers: 3 },
];

const bitsOf = ({ results }: Resized) => new Set(results.map(({ parametersSha256 }) => parametersSha256));

test("ranks join and leave at the steps of a log, stay in their processes, and all end with the same model", async () => {
  const run = await resized(LOG);
  assert.deepEqual(run.members, LOG);
  assert.equal(run.results.length, 3);
  assert.equal(bitsOf(run).size, 1);
  assert.equal(run.epochs, 3);
  // Four at first, and two that joined.
  assert.equal(run.starts, 6);
  assert.ok(run.results.every(({ reason, steps }) => reason === "epochs-done" && steps === 30));
});

for (const [what, settings, log = LOG] of [
  ["gradients as they are", {}],
  ["what error feedback keeps", { compress: "top-k:5%" }],
  ["low-rank factors", { compress: "powersgd:1" }],
  ["an optimiser of each rank's own", { algorithm: "local-sgd", "sync-every": 2, optimizer: "momentum" }],
  ["an outer optimiser", { algorithm: "diloco", "sync-every": 5 }],
  ["the duals of ADMM", { algorithm: "admm", "batch-size": undefined, epochs: 24, tolerance: 1e-12 }],
  [
    "the clusters of EM",
    { model: "kmeans", clusters: 20, "batch-size": undefined, tolerance: 1e-12 },
    EARLY_LOG,
  ],
] as const)
  test(`equal logs give equal bits whenever ranks come, with ${what}`, async () => {
    const undisturbed = await resized(log, { settings });
    let isLost = false;
    const elsewhere = ({ rank }: WorkerEvent) => {
      if (isLost || rank !== 5) return undefined;
      isLost = true;
      return Promise.resolve({ state: "fenced" } as const);
    };
    const late = await resized(log, { settings, elsewhere });
    assert.ok(isLost);
    assert.deepEqual(bitsOf(late), bitsOf(undisturbed));
    assert.equal(bitsOf(late).size, 1);
  });

test("a run that was asked for more workers logs when it has them, and its log gives its bits again", async () => {
  const asked = await resized([], { requested: 6 });
  assert.equal(asked.members.length, 1);
  assert.equal(asked.results.length, 6);
  const again = await resized(asked.members);
  assert.deepEqual(bitsOf(again), bitsOf(asked));
});

test("a vote to resize says for how many, and gives way to any to stop", () => {
  assert.deepEqual(decisionOf(voteFor({ resizedTo: 10_000 })), { resizedTo: 10_000 });
  assert.equal(decisionOf(voteFor({ resizedTo: 7 }) + voteFor("stop-requested")), "stop-requested");
  assert.equal(decisionOf(0), undefined);
});
