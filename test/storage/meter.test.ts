import assert from "node:assert/strict";
import { test } from "node:test";
import { layered } from "../../src/storage/layers/layer.ts";
import { metered, requestCount, usd, withMeter } from "../../src/storage/layers/meter.ts";
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
    deletes: 2,
    lists: 1,
    retries: 0,
    bytesUp: 12,
    bytesDown: 9,
  });
  assert.equal(requestCount(storage.reading), 8);
});

test("polls that come too early are counted as misses", async () => {
  const storage = withMeter(await openStorage("memory:meter-polls"));
  const waiting = collect(storage.waitFor([{ key: "late" }], { timeoutMs: 1000 }));
  await storage.put("late", [new Uint8Array(1)]);
  await waiting;
  assert.ok(storage.reading.misses >= 1);
  assert.equal(storage.reading.gets, 1);
});

test("a delete is as many requests as it takes batches, and a listing as many as it takes pages", async () => {
  const inner = await openStorage("memory:meter-batches");
  const storage = withMeter(layered(inner, { capabilities: { ...inner.capabilities, batchKeys: 1000 } }));
  const keys = Array.from({ length: 1500 }, (_, i) => `k${i}`);
  for (const key of keys) await inner.put(key, []);
  await collect(storage.list("k"));
  await collect(storage.list("nothing"));
  assert.equal(storage.reading.lists, 3);
  await storage.delete(keys);
  await storage.delete([]);
  assert.equal(storage.reading.deletes, 2);
});

test("what open.ts opens counts every try of a request, and costs what they cost", async () => {
  const storage = await openStorage("memory:meter-tries?errors=0.5&seed=4&prices=s3");
  for (let i = 0; i < 8; i++) await storage.put("k", [new Uint8Array(10)]);
  assert.equal(await storage.get({ key: "absent" }), undefined);
  const { reading } = storage;
  assert.ok(reading.retries > 0);
  assert.equal(reading.puts + reading.gets + reading.misses, 9 + reading.retries);
  assert.equal(reading.bytesUp, 10 * reading.puts);
  const { prices } = storage.capabilities;
  assert.ok(prices !== undefined);
  assert.equal(usd(reading, prices), reading.puts * 5e-6 + (reading.gets + 1) * 4e-7);
});

test("a channel that has a meter keeps it", async () => {
  const opened = await openStorage("memory:meter-twice");
  assert.equal(metered(opened), opened);
  const { reading: _, ...bare } = opened;
  assert.equal(metered(bare).reading.puts, 0);
});
