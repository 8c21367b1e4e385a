// What every storage driver promises. Capabilities choose the tests; what a driver lacks it must refuse.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { SltrainError } from "../../src/errors.ts";
import { RandomStream } from "../../src/random.ts";
import { collect } from "./collect.ts";
import type { Arrival, Storage, WaitOptions, WaitRef } from "../../src/storage/storage.ts";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const show = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : Buffer.from(bytes).toString();
const coded =
  (code: string, ...words: string[]) =>
  (error: unknown) =>
    error instanceof SltrainError &&
    error.code === code &&
    words.every((word) => error.message.includes(word));

/** `open` opens the same, at first empty storage each time it is called, as another process would. */
export function storageContract(name: string, open: () => Promise<Storage>): void {
  describe(`storage contract: ${name}`, () => {
    let storage: Storage;
    before(async () => {
      storage = await open();
    });
    after(() => storage.close());

    test("an absent key is undefined", async () => {
      assert.equal(await storage.get({ key: "absent" }), undefined);
      assert.equal(await storage.get({ key: "absent/folder/key" }), undefined);
    });

    test("an object is the concatenation of its parts", async () => {
      await storage.put("parts/a", [text("one"), text(""), text("two")]);
      assert.equal(show(await storage.get({ key: "parts/a" })), "onetwo");
      await storage.put("parts/none", []);
      assert.equal(show(await storage.get({ key: "parts/none" })), "");
    });

    test("a put replaces what was there", async () => {
      assert.equal(await storage.put("replaced", [text("longer than")]), "stored");
      assert.equal(await storage.put("replaced", [text("new")]), "stored");
      assert.equal(show(await storage.get({ key: "replaced" })), "new");
    });

    test("another opener sees the objects", async () => {
      await storage.put("shared/x", [text("seen")]);
      const other = await open();
      assert.equal(show(await other.get({ key: "shared/x" })), "seen");
      await other.close();
    });

    test("parts may view shared memory, and so may the buffer that is read into", async () => {
      const source = new Uint8Array(new SharedArrayBuffer(64), 8, 16).fill(7);
      await storage.put("from-shared", [text("<"), source]);
      const target = new Uint8Array(new SharedArrayBuffer(64), 4, 32);
      const bytes = await storage.get({ key: "from-shared" }, target);
      assert.equal(bytes?.buffer, target.buffer);
      assert.deepEqual([...bytes], [60, ...source]);
    });

    test("an object of 9 MB comes back unchanged", async () => {
      const random = new RandomStream(1, "large");
      const words = Uint32Array.from({ length: 2_250_000 }, () => random.nextU32());
      const bytes = new Uint8Array(words.buffer);
      await storage.put("large", [bytes.subarray(0, 5), bytes.subarray(5)]);
      const back = await storage.get({ key: "large" });
      assert.ok(back !== undefined && Buffer.compare(back, bytes) === 0);
      await storage.delete(["large"]);
    });

    test("the result of get into a buffer is a view of its start, and a buffer too small is refused", async () => {
      await storage.put("into", [text("12345")]);
      const target = new Uint8Array(8).fill(1);
      const bytes = await storage.get({ key: "into" }, target);
      assert.equal(bytes?.byteOffset, target.byteOffset);
      assert.equal(bytes.buffer, target.buffer);
      assert.equal(show(bytes), "12345");
      assert.deepEqual([...target.subarray(5)], [1, 1, 1]);
      await assert.rejects(
        storage.get({ key: "into" }, new Uint8Array(4)),
        coded("value-too-large", "into", "4", "5"),
      );
    });

    test("a range is a part of the object, and must lie within it", async () => {
      await storage.put("range", [text("0123456789")]);
      const read = (begin: number, end: number) => storage.get({ key: "range", range: { begin, end } });
      if (storage.capabilities.rangeGet) {
        assert.equal(show(await read(2, 5)), "234");
        assert.equal(show(await read(9, 10)), "9");
        assert.equal(show(await read(4, 4)), "");
        await assert.rejects(read(5, 11), coded("range-invalid", "range"));
        await assert.rejects(read(-1, 2), coded("range-invalid"));
      } else {
        await assert.rejects(read(2, 5), coded("storage-unsupported"));
      }
      assert.equal(await storage.get({ key: "no-range", range: { begin: 0, end: 1 } }), undefined);
    });

    test("put-if-absent has one winner of 16, and the object is the winner's", async () => {
      const puts = Array.from({ length: 16 }, async (_, i) => {
        const writer = await open();
        return writer.put("contested", [text(`writer ${i}`)], { ifAbsent: true });
      });
      if (!storage.capabilities.conditionalPut) {
        for (const put of puts) await assert.rejects(put, coded("storage-unsupported"));
        return;
      }
      const outcomes = await Promise.all(puts);
      assert.equal(outcomes.filter((outcome) => outcome === "stored").length, 1);
      assert.equal(show(await storage.get({ key: "contested" })), `writer ${outcomes.indexOf("stored")}`);
    });

    test("readers never see a half-written object", async () => {
      const versions = [1, 2, 3].map((i) => new Uint8Array(i * 1_000_000).fill(i));
      await storage.put("atomic", [versions[0]!]);
      let writing = true;
      const write = async (): Promise<void> => {
        for (let i = 0; i < 12; i++) await storage.put("atomic", [versions[i % 3]!]);
        writing = false;
      };
      const read = async (): Promise<void> => {
        while (writing) {
          const bytes = await storage.get({ key: "atomic" });
          const version = versions.find(({ byteLength }) => byteLength === bytes?.byteLength);
          assert.ok(bytes !== undefined && version !== undefined && Buffer.compare(bytes, version) === 0);
          await setTimeout(0);
        }
      };
      await Promise.all([write(), read(), read()]);
    });

    test("delete removes keys, and absent keys are no error", async () => {
      const keys = Array.from({ length: 150 }, (_, i) => `deleted/${i}`);
      for (const key of keys) await storage.put(key, [text(key)]);
      await storage.delete([...keys, "deleted/never-there"]);
      await storage.delete([]);
      for (const key of keys) assert.equal(await storage.get({ key }), undefined);
    });

    test("list gives the keys that begin with a prefix, in order", async () => {
      if (!storage.capabilities.list) {
        await assert.rejects(collect(storage.list("")), coded("storage-unsupported"));
        return;
      }
      const keys = [
        "list/a",
        "list/a-1",
        "list/a.b/c",
        "list/a0/b",
        "list/b/a/a",
        "list/b/b",
        "listed",
        "list/Z",
      ];
      for (const key of keys) await storage.put(key, [text(key)]);
      const listed = async (prefix: string) => collect(storage.list(prefix));
      assert.deepEqual(await listed("list"), [...keys].sort());
      assert.deepEqual(await listed("list/"), keys.filter((key) => key !== "listed").sort());
      assert.deepEqual(await listed("list/a"), ["list/a", "list/a-1", "list/a.b/c", "list/a0/b"]);
      assert.deepEqual(await listed("list/b/"), ["list/b/a/a", "list/b/b"]);
      assert.deepEqual(await listed("list/nothing/"), []);
      assert.deepEqual(await listed("lisp"), []);
      const everything = await listed("");
      assert.deepEqual(everything, [...everything].sort());
      assert.ok(keys.every((key) => everything.includes(key)));
    });

    test("deleteFolder removes what lies under a prefix, and nothing beside it", async () => {
      const keys = ["folder/a", "folder/b/c", "folder-b", "folders/a"];
      for (const key of keys) await storage.put(key, [text(key)]);
      await storage.deleteFolder("folder/");
      await storage.deleteFolder("folder/");
      assert.deepEqual(await collect(storage.list("folder")), ["folder-b", "folders/a"]);
      for (const bad of ["", "/", "folder", "../"]) {
        await assert.rejects(storage.deleteFolder(bad), coded("key-invalid"), bad);
      }
      await storage.put("folder/a", [text("again")]);
      assert.deepEqual(await collect(storage.list("folder/")), ["folder/a"]);
    });

    test("a key that could leave the store or that some store cannot hold is refused", async () => {
      const bad = [
        "",
        "/a",
        "a/",
        "a//b",
        "..",
        "a/../b",
        ".hidden",
        "a/.b",
        "a b",
        "a\\b",
        "ä",
        "a\0b",
        "x".repeat(300),
      ];
      for (const key of bad) {
        await assert.rejects(storage.put(key, [text("x")]), coded("key-invalid"), key);
        await assert.rejects(storage.get({ key }), coded("key-invalid"), key);
      }
    });

    const wait = (refs: readonly WaitRef[], options: WaitOptions): Promise<Arrival[]> =>
      collect(storage.waitFor(refs, options));

    test("waitFor yields each object once, in the order of arrival", async () => {
      await storage.put("wait/2", [text("two")]);
      const into = new Uint8Array(16);
      const waiting = wait([{ key: "wait/0", into }, { key: "wait/1" }, { key: "wait/2" }], {
        timeoutMs: 5000,
      });
      await setTimeout(5);
      await storage.put("wait/1", [text("one")]);
      await setTimeout(60);
      await storage.put("wait/0", [text("zero")]);
      const arrivals = await waiting;
      assert.deepEqual(
        arrivals.map(({ index, bytes }) => [index, show(bytes)]),
        [
          [2, "two"],
          [1, "one"],
          [0, "zero"],
        ],
      );
      assert.equal(arrivals[2]?.bytes.buffer, into.buffer);
      assert.deepEqual(await wait([], { timeoutMs: 1 }), []);
    });

    test("waitFor that runs out of time names the missing keys alone", async () => {
      await storage.put("late/there", [text("x")]);
      const waiting = wait([{ key: "late/there" }, { key: "late/missing" }], { timeoutMs: 30 });
      await assert.rejects(
        waiting,
        (error) =>
          coded("wait-timeout", "late/missing", "30 ms")(error) && !String(error).includes("late/there"),
      );
    });

    test("waitFor ends with the reason of an abort", async () => {
      const controller = new AbortController();
      const reason = new Error("stop asked for");
      const waiting = wait([{ key: "never" }], { timeoutMs: 60_000, signal: controller.signal });
      const ended = assert.rejects(waiting, reason);
      await setTimeout(20);
      controller.abort(reason);
      await ended;
      await assert.rejects(
        wait([{ key: "never" }], { timeoutMs: 60_000, signal: controller.signal }),
        reason,
      );
    });

    test("waitFor passes a failure on", async () => {
      await storage.put("wait-large", [new Uint8Array(10)]);
      await assert.rejects(
        wait([{ key: "wait-large", into: new Uint8Array(4) }], { timeoutMs: 1000 }),
        coded("value-too-large"),
      );
    });
  });
}
