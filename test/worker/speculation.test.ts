// A worker that is slow, and its copy: it follows beside the slow one, takes its place, and changes nothing else.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { readRunUse } from "../../src/coordinator/run-use.ts";
import { getJson } from "../../src/run/json-object.ts";
import type { Lease, WorkerResult } from "../../src/run/records.ts";
import { LifeCrew, runsFolder, WORKERS } from "./life-crew.ts";

const folder = runsFolder();
after(() => folder.remove());

const SLOW = 2;
const shasOf = (results: readonly WorkerResult[]) => results.map(({ parametersSha256 }) => parametersSha256);

/** A run in which all that the first worker of one rank asks of the storage takes longer. */
async function slowed(speculate: "on" | "off", epochs: number): Promise<LifeCrew> {
  const crew = await LifeCrew.prepare(folder.path, { settings: { speculate, epochs } });
  for (let rank = 0; rank < WORKERS; rank++) {
    const event = crew.eventOf(rank);
    const slow = `${event.storage}?delays=1&delayMs=30`;
    void crew.start(rank === SLOW ? { ...event, storage: slow, channel: slow } : event);
  }
  return crew;
}

test("a worker that all wait for gets a copy, which takes over, and the run has the bits of an undisturbed one", async () => {
  const whole = await LifeCrew.prepare(folder.path, { settings: { epochs: 6 } });
  const expected = shasOf(await whole.run());
  const crew = await slowed("on", 6);
  assert.deepEqual(shasOf(await crew.ended()), expected);
  const copies = crew.started.filter(({ event }) => event.reason === "speculation");
  assert.deepEqual(
    copies.map(({ event: { rank, generation } }) => ({ rank, generation })),
    [{ rank: SLOW, generation: 1 }],
  );
  assert.equal((await copies[0]!.end).state, "ended");
  assert.equal((await crew.started[SLOW]!.end).state, "fenced");
  const lease = await getJson<Lease>(crew.storage, crew.keys.lease(0, SLOW, 1));
  assert.equal(lease?.reason, "speculation");
  const { byRank, restarts } = await readRunUse(crew.storage, crew.manifest.runId);
  assert.equal(restarts, 1);
  assert.equal(byRank[SLOW]!.generations, 2);
});

test("without the setting the others wait for it", async () => {
  const crew = await slowed("off", 2);
  await crew.ended();
  assert.equal(crew.started.length, WORKERS);
});
