import assert from "node:assert/strict";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { pathSource } from "../../../src/data/sources/path.ts";
import { ImportThreads } from "../../../src/data/threads/import-threads.ts";
import { inOrder } from "../../../src/data/threads/in-order.ts";
import { temporaryFolder } from "../files.ts";
import { FIXTURES, readAll } from "./read-rows.ts";

const threads = new ImportThreads(3);
after(() => threads.close());

test("images are the same rows on threads: all kinds, in their order, resized or not", async (t) => {
  const folder = temporaryFolder(t);
  for (const name of ["a", "b"]) {
    cpSync(join(FIXTURES, "images/kinds/all"), join(folder, name), { recursive: true });
  }
  const png = readFileSync(join(folder, "a/rgb.png"));
  writeFileSync(join(folder, "b/m.png"), png.subarray(0, png.length / 2));
  writeFileSync(join(folder, "b/zero.jpg"), "");
  for (const imageSize of [
    [9, 5],
    [40, 60],
  ] as const) {
    const rows = await (await pathSource(folder, { onBadRecord: "skip", imageSize })).open();
    assert.ok(!("train" in rows));
    const onThreads = await (await pathSource(folder, { onBadRecord: "skip", imageSize })).open();
    assert.ok(!("train" in onThreads));
    const here = await readAll(rows);
    const there = await readAll({ read: () => onThreads.read(threads), facts: () => onThreads.facts() });
    assert.equal(there.facts.skippedRecords, 2);
    assert.deepEqual(there, here);
  }
});

test("of several images that do not decode the first in order is told, with its code and what to do", async (t) => {
  const folder = temporaryFolder(t);
  cpSync(join(FIXTURES, "images/rgb/train"), folder, { recursive: true });
  for (const name of ["cat/1.png", "dog/0.png"]) {
    const bytes = readFileSync(join(folder, name));
    writeFileSync(join(folder, name), bytes.subarray(0, bytes.length - 30));
  }
  const rows = await (await pathSource(folder)).open();
  assert.ok(!("train" in rows));
  await assert.rejects(readAll({ read: () => rows.read(threads), facts: () => rows.facts() }), {
    name: "SltrainError",
    code: "data-image",
    message: /cat\/1\.png: expected a PNG image that decodes/,
    suggestions: ["Replace or remove the image.", "Leave such images out: --on-bad-record skip"],
  });
});

test("work is begun ahead of its turn, so much and no more, and taken in order", async () => {
  let underWay = 0;
  let most = 0;
  const done: number[] = [];
  const work = async (item: number): Promise<number> => {
    most = Math.max(most, ++underWay);
    // The later, the sooner it is ready.
    for (let i = 0; i < 20 - item; i++) await Promise.resolve();
    done.push(item);
    return 10 * item;
  };
  const taken: number[] = [];
  for (const [item, result] of inOrder(
    Array.from({ length: 9 }, (_, i) => i),
    4,
    work,
  )) {
    assert.equal(await result, 10 * item);
    underWay--;
    taken.push(item);
  }
  assert.deepEqual(taken, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
  assert.equal(most, 4);
  assert.notDeepEqual(done, taken);
});
