import assert from "node:assert/strict";
import { test } from "node:test";
import { getJson, putOwnJson } from "../../src/run/json-object.ts";
import { openStorage } from "../../src/storage/open.ts";

test("a document is its writer's although the answer was lost, and nobody else's", async () => {
  const storage = await openStorage("memory:own-documents?lostAnswers=0.2&seed=7");
  const keys = Array.from({ length: 40 }, (_, i) => `documents/${i}.json`);
  const putAll = (by: number) => Promise.all(keys.map((key) => putOwnJson(storage, key, { by })));
  assert.ok((await putAll(1)).every(Boolean));
  assert.ok(storage.reading.exists > 0, "no answer was lost");
  assert.ok(!(await putAll(2)).some(Boolean));
  for (const found of await Promise.all(keys.map((key) => getJson(storage, key))))
    assert.deepEqual(found, { by: 1 });
});
