// What every driver promises, also one that may forget or cannot list. Capabilities choose the tests; what a driver
// lacks it must refuse. storage.ts holds what a storage promises beside it.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setImmediate, setTimeout } from "node:timers/promises";
import type { Arrival, Channel, WaitOptions, WaitRef } from "../../src/storage/storage.ts";
import { collect } from "./collect.ts";
import { coded, noise, show, text, unusedFolder } from "./objects.ts";

/** `open` opens the same channel each time it is called, as another process would. */
export function channelContract(name: string, open: () => Promise<Channel>): void {
  describe(`channel contract: ${name}`, () => {
    const folder = unusedFolder();
    const at = (key: string): string => `${folder}/${key}`;
    let channel: Channel;
    before(async () => {
      channel = await open();
    });
    after(() => channel.close());
    const put = (key: string, value: string) => channel.put(at(key), [text(value)]);
    const get = async (key: string) => show(await channel.get({ key: at(key) }));

    test("an absent key is undefined", async () => {
      assert.equal(await channel.get({ key: at("absent") }), undefined);
      assert.equal(await channel.get({ key: at("absent/folder/key") }, new Uint8Array(4)), undefined);
    });

    test("an object is the concatenation of its parts", async () => {
      await channel.put(at("parts/a"), [text("one"), text(""), text("two\r\n")]);
      assert.equal(await get("parts/a"), "onetwo\r\n");
      await channel.put(at("parts/none"), []);
      assert.equal(await get("parts/none"), "");
    });

    test("a put replaces what was there", async () => {
      assert.equal(await put("replaced", "longer than"), "stored");
      assert.equal(await put("replaced", "new"), "stored");
      assert.equal(await get("replaced"), "new");
    });

    test("another opener sees the objects", async () => {
      await put("shared/x", "seen");
      const other = await open();
      assert.equal(show(await other.get({ key: at("shared/x") })), "seen");
      await other.close();
    });

    test("parts may view shared memory, and so may the buffer that is read into", async () => {
      const source = new Uint8Array(new SharedArrayBuffer(64), 8, 16).fill(7);
      await channel.put(at("from-shared"), [text("<"), source]);
      const target = new Uint8Array(new SharedArrayBuffer(64), 4, 32);
      const bytes = await channel.get({ key: at("from-shared") }, target);
      assert.equal(bytes?.buffer, target.buffer);
      assert.deepEqual([...bytes], [60, ...source]);
    });

    test("an object of 9 MB comes back unchanged, also from and into shared memory", async () => {
      const shared = new Uint8Array(new SharedArrayBuffer(9_000_000));
      shared.set(noise(9_000_000));
      await channel.put(at("large"), [shared.subarray(0, 5), shared.subarray(5)]);
      const back = await channel.get({ key: at("large") });
      assert.ok(back !== undefined && Buffer.compare(back, shared) === 0);
      const target = new Uint8Array(new SharedArrayBuffer(9_000_010), 3);
      const view = await channel.get({ key: at("large") }, target);
      assert.ok(view !== undefined && Buffer.compare(view, shared) === 0);
      await channel.delete([at("large")]);
      assert.equal(await channel.get({ key: at("large") }), undefined);
    });

    test("an object larger than the store can hold is refused before it is sent", async () => {
      const { maxValueBytes } = channel.capabilities;
      if (maxValueBytes === Infinity) return;
      const part = new Uint8Array(16 * 2 ** 20);
      const parts = Array.from({ length: Math.ceil((maxValueBytes + 1) / part.byteLength) }, () => part);
      await assert.rejects(channel.put(at("too-large"), parts), coded("value-too-large", "too-large"));
    });

    test("the result of get into a buffer is a view of its start, and a buffer too small is refused", async () => {
      await put("into", "12345");
      const target = new Uint8Array(8).fill(1);
      const bytes = await channel.get({ key: at("into") }, target);
      assert.equal(bytes?.byteOffset, target.byteOffset);
      assert.equal(bytes.buffer, target.buffer);
      assert.equal(show(bytes), "12345");
      assert.deepEqual([...target.subarray(5)], [1, 1, 1]);
      await assert.rejects(
        channel.get({ key: at("into") }, new Uint8Array(4)),
        coded("value-too-large", "into", "4", "5"),
      );
      assert.equal(await get("into"), "12345");
    });

    test("a range is a part of the object, and must lie within it", async () => {
      await put("range", "0123456789");
      const read = (begin: number, end: number, into?: Uint8Array) =>
        channel.get({ key: at("range"), range: { begin, end } }, into);
      if (!channel.capabilities.rangeGet) {
        await assert.rejects(read(2, 5), coded("storage-unsupported"));
        return;
      }
      assert.equal(show(await read(2, 5)), "234");
      assert.equal(show(await read(2, 5, new Uint8Array(3))), "234");
      assert.equal(show(await read(9, 10)), "9");
      assert.equal(show(await read(4, 4)), "");
      await assert.rejects(read(5, 11), coded("range-invalid", "range"));
      await assert.rejects(read(12, 14), coded("range-invalid", "range"));
      await assert.rejects(read(-1, 2), coded("range-invalid"));
      assert.equal(await channel.get({ key: at("no-range"), range: { begin: 0, end: 1 } }), undefined);
      assert.equal(await channel.get({ key: at("no-range"), range: { begin: 0, end: 0 } }), undefined);
    });

    test("put-if-absent has one winner of 16, and the object is the winner's", async () => {
      const writers = await Promise.all(Array.from({ length: 16 }, open));
      // Above the item limit of every store that has one, so that losers have parts to take back.
      const values = writers.map((_, i) => new Uint8Array(1_200_000).fill(i));
      const puts = writers.map((writer, i) => writer.put(at("contested"), [values[i]!], { ifAbsent: true }));
      const settled = await Promise.allSettled(puts);
      if (channel.capabilities.conditionalPut) {
        const outcomes = await Promise.all(puts);
        assert.equal(outcomes.filter((outcome) => outcome === "stored").length, 1);
        const stored = await channel.get({ key: at("contested") });
        assert.ok(stored !== undefined && Buffer.compare(stored, values[outcomes.indexOf("stored")]!) === 0);
        await channel.delete([at("contested")]);
        assert.equal(await channel.put(at("contested"), [text("x")], { ifAbsent: true }), "stored");
      } else {
        for (const put of settled)
          assert.ok(put.status === "rejected" && coded("storage-unsupported")(put.reason));
      }
      for (const writer of writers) await writer.close();
    });

    test("readers never see a half-written object, however many items it takes", async () => {
      const versions = [1, 2, 3].map((i) => new Uint8Array(i * 1_000_000).fill(i));
      await channel.put(at("atomic"), [versions[0]!]);
      let writing = true;
      const write = async (): Promise<void> => {
        for (let i = 0; i < 12; i++) await channel.put(at("atomic"), [versions[i % 3]!]);
        writing = false;
      };
      const read = async (): Promise<void> => {
        while (writing) {
          const bytes = await channel.get({ key: at("atomic") });
          const version = versions.find(({ byteLength }) => byteLength === bytes?.byteLength);
          assert.ok(bytes !== undefined && version !== undefined && Buffer.compare(bytes, version) === 0);
          await setTimeout(0);
        }
      };
      await Promise.all([write(), read(), read()]);
    });

    test("delete removes keys, and absent keys are no error", async () => {
      const keys = Array.from({ length: 150 }, (_, i) => at(`deleted/${i}`));
      for (const key of keys) await channel.put(key, [text(key)]);
      await channel.delete([...keys, at("deleted/never-there")]);
      await channel.delete([]);
      for (const key of keys) assert.equal(await channel.get({ key }), undefined);
    });

    test("a key that could leave the store or that some store cannot hold is refused", async () => {
      const bad = [
        ...["", "/a", "a/", "a//b", "..", "a/../b", ".hidden", "a/.b", "a b", "a\\b", "ä", "a\0b"],
        ...["a\r\nb", "x".repeat(300)],
      ];
      for (const key of bad) {
        await assert.rejects(channel.put(key, [text("x")]), coded("key-invalid"), key);
        await assert.rejects(channel.get({ key }), coded("key-invalid"), key);
      }
    });

    test("keys as long as a key may be are told apart", async () => {
      const long = `${"x".repeat(200)}/`.repeat(3) + "x".repeat(120);
      await put(`${long}/a`, "a");
      await put(`${long}/b`, "b");
      assert.deepEqual([await get(`${long}/a`), await get(`${long}/b`)], ["a", "b"]);
    });

    const wait = (refs: readonly WaitRef[], options: WaitOptions): Promise<Arrival[]> =>
      collect(channel.waitFor(refs, options));

    test("waitFor yields each object once, in the order of arrival", async () => {
      await put("wait/2", "two");
      const into = new Uint8Array(16);
      const refs = [{ key: at("wait/0"), into }, { key: at("wait/1") }, { key: at("wait/2") }];
      const waiting = wait(refs, { timeoutMs: 5000 });
      await setTimeout(5);
      await put("wait/1", "one");
      await setTimeout(60);
      await put("wait/0", "zero");
      const arrivals = (await waiting).map(({ index, bytes }) => [index, show(bytes), bytes.buffer] as const);
      // Where each request has a price, the first that is asked for is told first.
      if (channel.capabilities.prices !== undefined) arrivals.sort(([a], [b]) => b - a);
      assert.deepEqual(
        arrivals.map(([index, value]) => [index, value]),
        [
          [2, "two"],
          [1, "one"],
          [0, "zero"],
        ],
      );
      assert.equal(arrivals[2]?.[2], into.buffer);
      assert.deepEqual(await wait([], { timeoutMs: 1 }), []);
    });

    test("waitFor sees a put of another opener that began after it, and a key that was deleted before", async () => {
      const other = await open();
      await put("wait/again", "old");
      await channel.delete([at("wait/again")]);
      const waiting = wait([{ key: at("wait/again") }], { timeoutMs: 5000 });
      await setTimeout(20);
      await other.put(at("wait/again"), [text("new")]);
      assert.equal(show((await waiting)[0]?.bytes), "new");
      await other.close();
    });

    test("200 puts and 200 waits at once all end, each with its own object", async () => {
      const keys = Array.from({ length: 200 }, (_, i) => `crowd/${i}`);
      const waits = keys.map((key) => wait([{ key: at(key) }], { timeoutMs: 20_000 }));
      const puts = keys.map((key) => put(key, key));
      const arrivals = await Promise.all(waits);
      await Promise.all(puts);
      assert.deepEqual(
        arrivals.map(([arrival]) => show(arrival?.bytes)),
        keys,
      );
    });

    test("one wait may have many refs, put in any order, and the same key twice", async () => {
      const refs = Array.from({ length: 200 }, (_, i) => ({ key: at(`many/${i}`), into: new Uint8Array(8) }));
      const waiting = wait([...refs, { key: at("many/7") }], { timeoutMs: 20_000 });
      for (let i = 0; i < 200; i += 50) {
        await Promise.all(refs.slice(i, i + 50).map((_, j) => put(`many/${199 - i - j}`, `v${199 - i - j}`)));
      }
      const arrivals = (await waiting).sort((a, b) => a.index - b.index);
      assert.deepEqual(
        arrivals.map(({ index, bytes }) => [index, show(bytes)]),
        [...refs.keys(), 200].map((i) => [i, `v${i === 200 ? 7 : i}`]),
      );
    });

    test("waitFor that runs out of time names the missing keys alone", async () => {
      await put("late/there", "x");
      const waiting = wait([{ key: at("late/there") }, { key: at("late/missing") }], { timeoutMs: 100 });
      await assert.rejects(
        waiting,
        (error) =>
          coded("wait-timeout", "late/missing", "100 ms")(error) && !String(error).includes("late/there"),
      );
    });

    test("waitFor ends with the reason of an abort", async () => {
      const controller = new AbortController();
      const reason = new Error("stop asked for");
      const refs = [{ key: at("never") }];
      const waiting = wait(refs, { timeoutMs: 60_000, signal: controller.signal });
      const ended = assert.rejects(waiting, reason);
      await setTimeout(20);
      controller.abort(reason);
      await ended;
      await assert.rejects(wait(refs, { timeoutMs: 60_000, signal: controller.signal }), reason);
    });

    test("a wait aborted in the middle of a transfer writes nothing afterwards and harms no other call", async () => {
      const large = noise(8_000_000);
      await channel.put(at("aborted"), [large]);
      for (const turns of [0, 1, 2, 5, 20]) {
        const into = new Uint8Array(large.byteLength);
        const controller = new AbortController();
        const reason = new Error("stop asked for");
        const waiting = wait([{ key: at("aborted"), into }], {
          timeoutMs: 60_000,
          signal: controller.signal,
        });
        const other = channel.get({ key: at("aborted") });
        const ended = waiting.then(
          () => undefined,
          (error: unknown) => error,
        );
        for (let i = 0; i < turns; i++) await setImmediate();
        controller.abort(reason);
        const error = await ended;
        assert.ok(error === undefined || error === reason);
        const left = into.slice();
        const bytes = await other;
        assert.ok(bytes !== undefined && Buffer.compare(bytes, large) === 0);
        assert.equal(Buffer.compare(into, left), 0);
      }
      await put("after-abort", "fine");
      assert.equal(await get("after-abort"), "fine");
      await channel.delete([at("aborted")]);
    });

    test("a reader may leave a wait before its end", async () => {
      await put("left/a", "a");
      const refs = [{ key: at("left/a") }, { key: at("left/never") }];
      for await (const { bytes } of channel.waitFor(refs, { timeoutMs: 60_000 })) {
        assert.equal(show(bytes), "a");
        break;
      }
      assert.equal(await get("left/a"), "a");
    });

    test("waitFor passes a failure on", async () => {
      await channel.put(at("wait-large"), [new Uint8Array(10)]);
      await assert.rejects(
        wait([{ key: at("wait-large"), into: new Uint8Array(4) }], { timeoutMs: 1000 }),
        coded("value-too-large"),
      );
    });
  });
}
