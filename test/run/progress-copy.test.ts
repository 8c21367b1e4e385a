import assert from "node:assert/strict";
import { test } from "node:test";
import { getJson, putJson } from "../../src/run/json-object.ts";
import { runKeys } from "../../src/run/keys.ts";
import { withProgressCopy } from "../../src/run/progress-copy.ts";
import { openStorage } from "../../src/storage/open.ts";

const keys = runKeys("r");

test("rank 0's heartbeats and the metrics are copied, and nothing else", async () => {
  const [storage, copy] = [await openStorage("memory:told"), await openStorage("memory:copy")];
  const told = withProgressCopy(storage, copy, keys);
  const progress = [keys.heartbeat(2, 0, 1), keys.metrics];
  for (const key of [...progress, keys.heartbeat(2, 10, 0), keys.result(2, 0)])
    assert.equal(await putJson(told, key, { key }), "stored");
  for (const key of progress) assert.deepEqual(await getJson(copy, key), { key });
  assert.deepEqual(await Array.fromAsync(copy.list("")), progress.toSorted());
  assert.equal((await Array.fromAsync(storage.list(""))).length, 4);
});

test("a copy that cannot be made stops nothing", async (t) => {
  const [storage, copy] = [await openStorage("memory:kept"), await openStorage("memory:gone")];
  const failing = { ...copy, put: () => Promise.reject(new Error("no table")) };
  const complaint = t.mock.method(console, "error", () => undefined);
  assert.equal(await putJson(withProgressCopy(storage, failing, keys), keys.metrics, {}), "stored");
  assert.match(String(complaint.mock.calls[0]!.arguments[0]), /no table/);
  assert.deepEqual(await getJson(storage, keys.metrics), {});
});
