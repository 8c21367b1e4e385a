import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { openContent } from "../../src/data/content-file.ts";
import { temporaryFolder, writeData } from "./files.ts";

const packed = readFileSync(join(import.meta.dirname, "fixtures/packed/rows.bz2"));
/** As make.py's packed_text(). */
const text = Array.from(
  { length: 3000 },
  (_, i) => `${2 * (i % 2) - 1} ${(i % 7) + 1}:1 ${(i % 90) + 10}:0.5\n`,
).join("");

async function contentOf(path: string): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of (await openContent(path)).content()) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString();
}

test("gzip, zstd and bzip2 are taken off, whatever the file is called", async (t) => {
  const folder = temporaryFolder(t);
  for (const [name, bytes] of [
    ["gzip", gzipSync(text)],
    ["zstd", zstdCompressSync(text)],
    ["bzip2", packed],
    ["plain", Buffer.from(text)],
  ] as const) {
    const path = writeData(folder, name, bytes);
    assert.equal(await contentOf(path), text, name);
    const { head } = await openContent(path);
    assert.equal(Buffer.from(head).toString(), text.slice(0, head.length));
  }
});

test("packed files that are cut or damaged are refused by name", async (t) => {
  const folder = temporaryFolder(t);
  const damaged = Buffer.from(packed);
  damaged[150]! ^= 0xff;
  for (const [name, bytes] of [
    ["cut.bz2", packed.subarray(0, 200)],
    ["damaged.bz2", damaged],
    ["cut.zst", zstdCompressSync(text).subarray(0, 100)],
  ] as const) {
    const path = writeData(folder, name, bytes);
    const expected = `${name}: expected a whole (bzip2|zstd) file, got \\d+ bytes that end early or are broken`;
    await assert.rejects(contentOf(path), { name: "SltrainError", message: new RegExp(expected) });
  }
});
