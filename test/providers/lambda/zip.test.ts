import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { archiveFunction } from "../../../src/providers/function-bundle.ts";
import { unzip } from "../../../src/providers/local/unzip.ts";
import { zip } from "../../../src/providers/lambda/zip.ts";
import { bundleFunction } from "../../../tools/bundle-function.ts";

const folder = mkdtempSync(join(tmpdir(), "sltrain-zip-"));
after(() => rmSync(folder, { recursive: true }));

const files = new Map([
  ["b/ü.txt", Buffer.from("second")],
  ["a.mjs", Buffer.from("first".repeat(1000))],
  ["empty", Buffer.alloc(0)],
]);

test("an archive holds what was put in, readable by all, in the order of names", () => {
  const bytes = zip(files);
  assert.deepEqual(unzip(bytes), new Map([...files].sort(([a], [b]) => (a < b ? -1 : 1))));
});

test("other programs read it, with the mode and the date that all entries have", () => {
  const path = join(folder, "a.zip");
  writeFileSync(path, zip(files));
  const script =
    "import sys,zipfile\nz=zipfile.ZipFile(sys.argv[1])\nassert z.testzip() is None\n" +
    "print([(i.filename,oct(i.external_attr>>16),i.date_time,len(z.read(i))) for i in z.infolist()])";
  const listed = execFileSync("python3", ["-c", script, path], { encoding: "utf8" }).trim();
  const rest = "'0o100644', (1980, 1, 1, 0, 0, 0)";
  assert.equal(listed, `[('a.mjs', ${rest}, 5000), ('b/ü.txt', ${rest}, 6), ('empty', ${rest}, 0)]`);
});

test("what others have compressed is read too, and what is damaged is refused", () => {
  const path = join(folder, "deflated.zip");
  const script =
    "import sys,zipfile\nz=zipfile.ZipFile(sys.argv[1],'w',zipfile.ZIP_DEFLATED)\nz.writestr('x','x'*5000)\nz.close()";
  execFileSync("python3", ["-c", script, path]);
  const bytes = readFileSync(path);
  assert.deepEqual(unzip(bytes), new Map([["x", Buffer.from("x".repeat(5000))]]));
  assert.throws(() => unzip(bytes.subarray(0, 20)), /expected a ZIP archive/);
  const damaged = zip(files);
  damaged[damaged.indexOf("first")]! ^= 1;
  assert.throws(() => unzip(damaged), /a\.mjs: expected checksum/);
});

test("two builds of the same sources give the same archive, under 3 MB", async () => {
  const folders = ["first", "second"].map((name) => join(folder, name, "/"));
  await Promise.all(folders.map(bundleFunction));
  const [first, second] = folders.map((built) => archiveFunction(built));
  assert.equal(first!.sha256, second!.sha256);
  assert.ok(first!.bytes.byteLength < 3_000_000, `${first!.bytes.byteLength} bytes`);
  assert.ok(unzip(first!.bytes).has("handler.mjs"));
});
