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
  for (const found of await Promise.all(keys.map((key) => getJson<{ by: number }>(storage, key))))
    assert.equal(found?.by, 1);
});

test("of writers that put the same, one alone is told that the document is its own", async () => {
  const storage = await openStorage("memory:same-documents");
  const told = await Promise.all(Array.from({ length: 8 }, () => putOwnJson(storage, "one.json", { by: 1 })));
  assert.equal(told.filter(Boolean).length, 1);
});
