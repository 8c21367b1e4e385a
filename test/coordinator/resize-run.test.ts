import assert from "node:assert/strict";
import { after, test } from "node:test";
import { resizeRun } from "../../src/coordinator/resize-run.ts";
import { getJson, putJson } from "../../src/run/json-object.ts";
import type { ResizeRequest } from "../../src/run/membership.ts";
import { LifeCrew, runsFolder } from "../worker/life-crew.ts";

const folder = runsFolder();
after(folder.remove);

test("a run that goes on is asked for workers, but only for as many as it has something to do for", async () => {
  const { storage, keys, manifest } = await LifeCrew.prepare(folder.path, {
    settings: { reduce: "tree:1,2,4" },
  });
  const resize = (workers: number) => resizeRun({ storageUri: storage.uri, runId: manifest.runId, workers });
  // Batches are of 32 samples.
  await assert.rejects(resize(33), { code: "too-many-workers" });
  await assert.rejects(resize(6), { code: "reduce-invalid" });
  assert.equal(await getJson(storage, keys.resize), undefined);
  await resize(4);
  assert.equal((await getJson<ResizeRequest>(storage, keys.resize))?.workers, 4);
  await putJson(storage, keys.summary, { status: "completed" });
  await assert.rejects(resize(4), { code: "run-ended" });
});
