import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, suite, test } from "node:test";
import { crc32 } from "node:zlib";
import { remembered } from "../../src/device/autotune-cache.ts";
import { temporaryFolder } from "../support/cli.ts";

suite("the autotune cache", () => {
  let measured = 0;
  let folder: ReturnType<typeof temporaryFolder>;
  const warnings: Error[] = [];
  const note = (warning: Error): void => void warnings.push(warning);
  beforeEach(() => {
    folder = temporaryFolder();
    measured = 0;
    warnings.length = 0;
    process.on("warning", note);
  });
  afterEach(() => {
    process.off("warning", note);
    folder.remove();
  });

  const ask = (path: string, answer = 16) =>
    remembered(
      {
        name: "tile-width",
        isAnswer: (value): value is number => value === 8 || value === 16,
        measure: () => Promise.resolve((measured++, answer)),
      },
      path,
    );
  const warned = async (): Promise<number> => {
    await new Promise(setImmediate);
    return warnings.length;
  };
  const onlyFile = (): string => join(folder.path, readdirSync(folder.path)[0]!);

  test("measures each time without a folder", async () => {
    assert.deepEqual([await ask(""), await ask("")], [16, 16]);
    assert.equal(measured, 2);
  });

  test("measures once with one, and leaves one file", async () => {
    const path = join(folder.path, "made");
    assert.deepEqual([await ask(path, 8), await ask(path, 16)], [8, 8]);
    assert.equal(measured, 1);
    assert.equal(readdirSync(path).length, 1);
    assert.equal(await warned(), 0);
  });

  test("measures again where the file is another machine's", async () => {
    await ask(folder.path);
    const { machine } = JSON.parse(readFileSync(onlyFile(), "utf8")) as { machine: string };
    assert.match(machine, new RegExp(`${process.arch} ${process.versions.node}`));
    // The name is the machine's checksum, and two machines may share one.
    const stored = { machine: `${machine}x`, answer: 16 };
    const sum = crc32(JSON.stringify([stored.machine, stored.answer]));
    writeFileSync(onlyFile(), JSON.stringify({ ...stored, crc32: sum }));
    assert.equal(await ask(folder.path, 8), 8);
    assert.equal(measured, 2);
    assert.equal(await warned(), 0);
  });

  for (const [what, damage] of Object.entries({
    "cut short": (text: string) => text.slice(0, 20),
    changed: (text: string) => text.replace('"answer":16', '"answer":8'),
    "no record": () => "null",
  }))
    test(`ignores a file that is ${what}, says so, and writes it anew`, async () => {
      await ask(folder.path);
      const intact = readFileSync(onlyFile(), "utf8");
      writeFileSync(onlyFile(), damage(intact));
      assert.equal(await ask(folder.path), 16);
      assert.equal(measured, 2);
      assert.equal(readFileSync(onlyFile(), "utf8"), intact);
      assert.equal(await warned(), 1);
      assert.match(warnings[0]!.message, /tile-width-[0-9a-f]{8}\.json is ignored: /);
    });

  test("does without a folder that cannot be written", async () => {
    const file = join(folder.path, "file");
    writeFileSync(file, "");
    assert.equal(await ask(file), 16);
    assert.ok((await warned()) > 0);
  });
});
