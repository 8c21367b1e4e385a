// What a storage promises beside what every channel does (channel.ts, run from here): it remembers and can list.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Storage } from "../../src/storage/storage.ts";
import { channelContract } from "./channel.ts";
import { collect } from "./collect.ts";
import { coded, show, text, unusedFolder } from "./objects.ts";

/** `open` opens the same storage each time it is called, as another process would. */
export function storageContract(name: string, open: () => Promise<Storage>): void {
  channelContract(name, open);

  describe(`storage contract: ${name}`, () => {
    const folder = unusedFolder();
    let storage: Storage;
    before(async () => {
      storage = await open();
    });
    after(() => storage.close());
    const put = (key: string) => storage.put(`${folder}/${key}`, [text(key)]);
    const listed = async (prefix: string): Promise<string[]> =>
      (await collect(storage.list(`${folder}/${prefix}`))).map((key) => key.slice(folder.length + 1));

    test("what was put is there for who opens the storage after the writer has left", async () => {
      const writer = await open();
      await writer.put(`${folder}/kept`, [text("kept")]);
      await writer.close();
      const reader = await open();
      assert.equal(show(await reader.get({ key: `${folder}/kept` })), "kept");
      await reader.close();
    });

    test("list gives the keys that begin with a prefix, in order", async () => {
      const names = ["a", "a-1", "a.b/c", "a0/b", "b/a/a", "b/b", "Z"].map((name) => `list/${name}`);
      const keys = [...names, "listed"];
      for (const key of keys) await put(key);
      assert.deepEqual(await listed("list"), [...keys].sort());
      assert.deepEqual(await listed("list/"), [...names].sort());
      assert.deepEqual(await listed("list/a"), ["list/a", "list/a-1", "list/a.b/c", "list/a0/b"]);
      assert.deepEqual(await listed("list/b/"), ["list/b/a/a", "list/b/b"]);
      for (const nothing of ["list/nothing/", "lisp", "lis*", "lis?", "[l]ist"])
        assert.deepEqual(await listed(nothing), []);
      const everything = await collect(storage.list(""));
      assert.deepEqual(everything, [...everything].sort());
      assert.ok(keys.every((key) => everything.includes(`${folder}/${key}`)));
    });

    test("list gives every key of many once", async () => {
      const keys = Array.from({ length: 250 }, (_, i) => `many/${1000 + i}`);
      await Promise.all(keys.map(put));
      assert.deepEqual(await listed("many/"), keys);
    });

    test("an object of many items is one key", async () => {
      await storage.put(`${folder}/items/large`, [new Uint8Array(1_500_000)]);
      assert.deepEqual(await listed("items/"), ["items/large"]);
    });

    test("deleteFolder removes what lies under a prefix, and nothing beside it", async () => {
      for (const key of ["folder/a", "folder/b/c", "folder-b", "folders/a"]) await put(key);
      await storage.put(`${folder}/folder/large`, [new Uint8Array(1_500_000)]);
      await storage.deleteFolder(`${folder}/folder/`);
      await storage.deleteFolder(`${folder}/folder/`);
      assert.deepEqual(await listed("folder"), ["folder-b", "folders/a"]);
      assert.equal(await storage.get({ key: `${folder}/folder/large` }), undefined);
      for (const bad of ["", "/", "folder", "../"]) {
        await assert.rejects(storage.deleteFolder(bad), coded("key-invalid"), bad);
      }
      await put("folder/a");
      assert.deepEqual(await listed("folder/"), ["folder/a"]);
    });
  });
}
