import assert from "node:assert/strict";
import { test } from "node:test";
import { openStorage } from "../../src/storage/open.ts";
import { withMeter } from "../../src/storage/layers/meter.ts";
import { storageContract } from "../contract/storage.ts";

storageContract("memory", () => openStorage("memory:contract"));
storageContract("meter over memory", async () => withMeter(await openStorage("memory:metered-contract")));

test("stores of different names are apart", async () => {
  const [a, b] = [await openStorage("memory:a"), await openStorage("memory:b")];
  await a.put("key", [Uint8Array.of(1)]);
  assert.equal(await b.get({ key: "key" }), undefined);
});

test("a stored object does not change with the memory that it was put from", async () => {
  const storage = await openStorage("memory:copies");
  const bytes = Uint8Array.of(1, 2);
  await storage.put("key", [bytes]);
  bytes.fill(9);
  const first = await storage.get({ key: "key" });
  first?.fill(8);
  assert.deepEqual(await storage.get({ key: "key" }), Uint8Array.of(1, 2));
});
