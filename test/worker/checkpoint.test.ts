import assert from "node:assert/strict";
import { test } from "node:test";
import { SltrainError } from "../../src/errors.ts";
import { runKeys } from "../../src/run/keys.ts";
import { openStorage } from "../../src/storage/open.ts";
import { readNewestCheckpoint, startCursor, writeCheckpoint } from "../../src/worker/checkpoint.ts";
import { collect } from "../contract/collect.ts";

const names = ["parameters", "statistics", "optimizer.momentum"];

function memoryReplica(value: number) {
  const vectors = new Map(names.map((name, i) => [name, new Float32Array(64 * i).fill(value + i)]));
  return {
    vectors,
    read: (name: string) => Promise.resolve(vectors.get(name)!),
    write: (name: string, data: Float32Array) => void vectors.set(name, data.slice()),
  };
}

test("the newest checkpoint comes back bit by bit with its cursor, and two are kept", async () => {
  const storage = await openStorage("memory:checkpoint");
  const keys = runKeys("run");
  const cursor = startCursor();
  for (const step of [5, 10, 100]) {
    Object.assign(cursor, { step, epochLoss: step / 3, epochCorrect: step, epochSamples: 2 * step });
    await writeCheckpoint(storage, keys, memoryReplica(step), names, cursor);
  }
  assert.deepEqual(await collect(storage.list(keys.checkpoints)), [
    keys.checkpoint(10),
    keys.checkpoint(100),
  ]);
  const restored = memoryReplica(0);
  const found = startCursor();
  await readNewestCheckpoint(storage, keys, restored, names, found);
  assert.deepEqual(found, cursor);
  assert.deepEqual(restored.vectors, memoryReplica(100).vectors);
});

test("a run without checkpoints leaves replica and cursor as they are", async () => {
  const storage = await openStorage("memory:no-checkpoint");
  const [replica, cursor] = [memoryReplica(3), startCursor()];
  await readNewestCheckpoint(storage, runKeys("run"), replica, names, cursor);
  assert.deepEqual(cursor, startCursor());
  assert.deepEqual(replica.vectors, memoryReplica(3).vectors);
});

test("a checkpoint with any byte of its values changed is refused with its key", async () => {
  const storage = await openStorage("memory:damaged-checkpoint");
  const keys = runKeys("run");
  await writeCheckpoint(storage, keys, memoryReplica(1), names, startCursor());
  const key = keys.checkpoint(0);
  const whole = (await storage.get({ key }))!;
  for (const offset of [1, 64 * 4, 128 * 4]) {
    const damaged = whole.slice();
    damaged[damaged.length - offset]! ^= 1;
    await storage.put(key, [damaged]);
    await assert.rejects(
      readNewestCheckpoint(storage, keys, memoryReplica(0), names, startCursor()),
      (error) => {
        assert.ok(error instanceof SltrainError);
        assert.equal(error.code, "checkpoint-damaged");
        assert.ok(error.message.startsWith(key));
        return true;
      },
    );
  }
});
