import assert from "node:assert/strict";
import { test } from "node:test";
import type { AlgorithmState } from "../../src/algorithms/algorithm.ts";
import { SltrainError } from "../../src/errors.ts";
import { runKeys } from "../../src/run/keys.ts";
import { openStorage } from "../../src/storage/open.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { type CheckpointPlace, readNewestCheckpoint, writeCheckpoint } from "../../src/worker/checkpoint.ts";
import { startCursor } from "../../src/worker/cursor.ts";
import { collect } from "../contract/collect.ts";

const WORLD_SIZE = 3;
const keys = runKeys("run");
const cursorAt = (step: number) => ({ ...startCursor(), step, epochLoss: step / 3, epochSamples: 2 * step });

/** What all ranks have after `step`, and what `rank` has for itself. */
function stateAt(step: number, rank: number): AlgorithmState {
  return {
    shared: { parameters: new Float32Array(64).fill(step), statistics: new Float32Array(0) },
    own: { momentum: new Float32Array(64).fill(step + rank), slots: Int32Array.of(step, rank) },
  };
}

function placesIn(storage: Storage): CheckpointPlace[] {
  return Array.from({ length: WORLD_SIZE }, (_, rank) => ({ storage, keys, rank, worldSize: WORLD_SIZE }));
}

async function writeAll(places: readonly CheckpointPlace[], step: number): Promise<void> {
  for (const place of places) await writeCheckpoint(place, stateAt(step, place.rank), cursorAt(step));
}

test("each rank gets back what all share, what it had for itself, and the cursor", async () => {
  const places = placesIn(await openStorage("memory:checkpoint"));
  await writeAll(places, 7);
  for (const place of places) {
    const found = await readNewestCheckpoint(place, stateAt(0, place.rank));
    assert.deepEqual(found, { ...stateAt(7, place.rank), cursor: cursorAt(7) });
  }
});

test("two checkpoints are kept, of whatever number of ranks", async () => {
  const storage = await openStorage("memory:two-checkpoints");
  for (const step of [5, 10, 100]) await writeAll(placesIn(storage), step);
  const left = await collect(storage.list(keys.checkpoints));
  const parts = [0, 1, 2, "shared"] as const;
  assert.deepEqual(
    left,
    [10, 100].flatMap((step) => parts.map((part) => keys.checkpoint(step, part))),
  );
});

test("a checkpoint that a rank has not written yet does not count: the one before it does", async () => {
  for (const missing of [0, 2]) {
    const places = placesIn(await openStorage(`memory:incomplete-${missing}`));
    await writeAll(places, 5);
    const others = places.filter(({ rank }) => rank !== missing);
    await writeAll(others, 10);
    for (const place of places) {
      assert.equal((await readNewestCheckpoint(place, stateAt(0, place.rank)))?.cursor.step, 5);
    }
  }
});

test("ranks without anything of their own write no file", async () => {
  const storage = await openStorage("memory:shared-only");
  const places = placesIn(storage);
  for (const place of places) {
    await writeCheckpoint(place, { ...stateAt(4, place.rank), own: {} }, cursorAt(4));
  }
  assert.deepEqual(await collect(storage.list(keys.checkpoints)), [keys.checkpoint(4, "shared")]);
  const found = await readNewestCheckpoint(places[2]!, { ...stateAt(0, 2), own: {} });
  assert.deepEqual(found, { ...stateAt(4, 2), own: {}, cursor: cursorAt(4) });
});

test("a run without checkpoints has none", async () => {
  const [place] = placesIn(await openStorage("memory:no-checkpoint"));
  assert.equal(await readNewestCheckpoint(place!, stateAt(0, 0)), undefined);
});

const damagedAt = (key: string) => (error: unknown) => {
  assert.ok(error instanceof SltrainError, String(error));
  assert.equal(error.code, "checkpoint-damaged");
  assert.ok(error.message.startsWith(key), error.message);
  return true;
};

test("a file with any byte of its values or its cursor changed is refused with its key", async () => {
  const storage = await openStorage("memory:damaged-checkpoint");
  const places = placesIn(storage);
  await writeAll(places, 1);
  for (const part of ["shared", 1] as const) {
    const key = keys.checkpoint(1, part);
    const whole = (await storage.get({ key }))!;
    const cursorAtByte = Buffer.from(whole).indexOf('epochLoss\\":0') + 'epochLoss\\":0.3'.length;
    for (const byte of [whole.length - 1, whole.length - 64, cursorAtByte]) {
      const damaged = whole.slice();
      damaged[byte]! ^= 1;
      await storage.put(key, [damaged]);
      await assert.rejects(readNewestCheckpoint(places[1]!, stateAt(0, 1)), damagedAt(key));
    }
    await storage.put(key, [whole]);
  }
});

test("a checkpoint of another model or optimiser is refused with the array that does not fit", async () => {
  const [place] = placesIn(await openStorage("memory:foreign-checkpoint"));
  await writeAll(placesIn(place!.storage), 1);
  const { shared, own } = stateAt(0, 0);
  const longer = { ...shared, parameters: new Float32Array(128) };
  const named = { ...own, "optimizer.v": new Float32Array(64) };
  await assert.rejects(
    readNewestCheckpoint(place!, { shared: longer, own }),
    damagedAt(keys.checkpoint(1, "shared")),
  );
  await assert.rejects(
    readNewestCheckpoint(place!, { shared, own: named }),
    damagedAt(keys.checkpoint(1, 0)),
  );
});
