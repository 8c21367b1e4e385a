import assert from "node:assert/strict";
import { test } from "node:test";
import { requestCount, withMeter } from "../../src/storage/layers/meter.ts";
import { openStorage } from "../../src/storage/open.ts";
import { collect } from "../contract/collect.ts";

test("the meter counts requests by kind and bytes both ways", async () => {
  const storage = withMeter(await openStorage("memory:meter"));
  await storage.put("a", [new Uint8Array(3), new Uint8Array(4)]);
  await storage.put("a", [new Uint8Array(5)], { ifAbsent: true });
  await storage.get({ key: "a" });
  await storage.get({ key: "absent" });
  await collect(storage.waitFor([{ key: "a", range: { begin: 0, end: 2 } }], { timeoutMs: 100 }));
  await collect(storage.list(""));
  await storage.delete(["a", "b"]);
  assert.deepEqual(storage.reading, {
    puts: 2,
    exists: 1,
    gets: 2,
    misses: 1,
    deletes: 1,
    lists: 1,
    bytesUp: 12,
    bytesDown: 9,
  });
  assert.equal(requestCount(storage.reading), 7);
});

test("polls that come too early are counted as misses", async () => {
  const storage = withMeter(await openStorage("memory:meter-polls"));
  const waiting = collect(storage.waitFor([{ key: "late" }], { timeoutMs: 1000 }));
  await storage.put("late", [new Uint8Array(1)]);
  await waiting;
  assert.ok(storage.reading.misses >= 1);
  assert.equal(storage.reading.gets, 1);
});
