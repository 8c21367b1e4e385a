import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { SltrainError } from "../../src/errors.ts";
import { fsError } from "../../src/storage/drivers/fs-error.ts";
import { openStorage } from "../../src/storage/open.ts";
import { collect } from "../contract/collect.ts";
import { storageContract } from "../contract/storage.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "sltrain-fs-"));
after(() => fs.rmSync(folder, { recursive: true }));
const at = (name: string): string => path.join(folder, name);
const x = Uint8Array.of(120);

storageContract("fs", () => openStorage(`fs:${at("contract")}`));

test("opening and reading make no folder", async () => {
  const storage = await openStorage(`fs:${at("untouched")}`);
  assert.equal(await storage.get({ key: "a/b" }), undefined);
  assert.equal(fs.existsSync(at("untouched")), false);
});

test("a store that is empty again when it is closed leaves no folder that it made, and any other one", async () => {
  fs.mkdirSync(at("theirs"));
  for (const [folder, root] of [
    ["ours", "ours/deeper"],
    ["theirs", "theirs"],
  ] as const) {
    for (const keeps of [false, true]) {
      const storage = await openStorage(`fs:${at(root)}`);
      await storage.put("a/b", [Uint8Array.of(1)]);
      if (!keeps) await storage.deleteFolder("a/");
      await storage.close();
      assert.equal(fs.existsSync(at(folder)), keeps || folder === "theirs");
      assert.equal(fs.existsSync(at(`${root}/a/b`)), keeps);
    }
  }
});

test("puts leave no temporary file, won or lost", async () => {
  const storage = await openStorage(`fs:${at("tidy")}`);
  await storage.put("a", [x]);
  await storage.put("a", [x], { ifAbsent: true });
  assert.deepEqual(fs.readdirSync(at("tidy/.tmp")), []);
});

test("a folder that was removed meanwhile is made again", async () => {
  const storage = await openStorage(`fs:${at("removed")}`);
  await storage.put("a/b", [x]);
  fs.rmSync(at("removed"), { recursive: true });
  assert.equal(await storage.put("a/b", [x], { ifAbsent: true }), "stored");
});

test("a folder that somebody still writes into for a while can be deleted", async () => {
  const storage = await openStorage(`fs:${at("busy")}`);
  const write = async (): Promise<void> => {
    for (let i = 0; i < 200; i++) await storage.put(`folder/${i % 8}/${i}`, [x]);
  };
  await storage.put("folder/0/first", [x]);
  await Promise.all([write(), storage.deleteFolder("folder/")]);
});

test("a crashed writer's temporary file is not listed, and an old one is removed", async () => {
  fs.mkdirSync(at("crashed/.tmp"), { recursive: true });
  fs.writeFileSync(at("crashed/.tmp/1-young"), "half");
  fs.writeFileSync(at("crashed/.tmp/1-old"), "half");
  fs.utimesSync(at("crashed/.tmp/1-old"), 0, 0);
  const storage = await openStorage(`fs:${at("crashed")}`);
  await storage.put("a", [x]);
  assert.deepEqual(fs.readdirSync(at("crashed/.tmp")), ["1-young"]);
  assert.deepEqual(await collect(storage.list("")), ["a"]);
});

test("a process killed in the middle of its puts leaves whole objects only", async () => {
  const script = `
    const { openStorage } = await import(${JSON.stringify(new URL("../../src/storage/open.ts", import.meta.url).href)});
    const storage = await openStorage(${JSON.stringify(`fs:${at("killed")}`)});
    console.log("ready");
    for (let i = 0; ; i++) await storage.put("k" + (i % 50), [new Uint8Array(300_000).fill(1), new Uint8Array(7)]);
  `;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await new Promise((resolve) => child.stdout.once("data", resolve));
  await setTimeout(40);
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await ended;
  const storage = await openStorage(`fs:${at("killed")}`);
  const keys = await collect(storage.list(""));
  assert.ok(keys.length > 0);
  for (const key of keys) assert.equal((await storage.get({ key }))?.byteLength, 300_007);
});

test("a file in the way of the storage folder is an error that names the path", async () => {
  fs.writeFileSync(at("file"), "");
  const storage = await openStorage(`fs:${at("file")}`);
  await assert.rejects(storage.put("a/b", [x]), (error) => {
    assert.ok(error instanceof SltrainError);
    assert.equal(error.code, "storage-not-writable");
    assert.match(error.message, /a\/b.*file/);
    assert.ok(error.suggestions.length > 0);
    return true;
  });
});

test("a full disk and a folder without write access are told apart", () => {
  const system = (code: string) => Object.assign(new Error(`${code}: refused, write`), { code });
  const codeOf = (code: string) => fsError(system(code), "put", "key", "/somewhere/key").code;
  assert.equal(codeOf("ENOSPC"), "storage-full");
  assert.equal(codeOf("EDQUOT"), "storage-full");
  assert.equal(codeOf("EACCES"), "storage-not-writable");
  assert.equal(codeOf("EROFS"), "storage-not-writable");
  assert.equal(codeOf("EIO"), "storage-failed");
  assert.match(
    fsError(system("ENOSPC"), "put", "key", "/somewhere/key").message,
    /put key.*room.*\/somewhere\/key.*ENOSPC/,
  );
});

/** A file system of 64 KiB, or why there is none. */
function mountTiny(target: string): string | undefined {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "needs root on Linux to mount a tmpfs";
  fs.mkdirSync(target);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "none", target], { stdio: "pipe" });
    return undefined;
  } catch (error) {
    return `cannot mount a tmpfs: ${String(error)}`;
  }
}

test("a disk that fills up during a put is an error, keeps the old object and frees the temporary file", async (t) => {
  const refused = mountTiny(at("tiny"));
  if (refused !== undefined) {
    t.skip(refused);
    return;
  }
  try {
    const storage = await openStorage(`fs:${at("tiny")}`);
    await storage.put("model", [new Uint8Array(20_000).fill(1)]);
    await assert.rejects(storage.put("model", [new Uint8Array(200_000)]), { code: "storage-full" });
    assert.equal((await storage.get({ key: "model" }))?.byteLength, 20_000);
    assert.deepEqual(fs.readdirSync(at("tiny/.tmp")), []);
  } finally {
    execFileSync("umount", [at("tiny")]);
  }
});

test("processes that make the same folders at the same time do not disturb each other", async () => {
  const script = `
    import { openStorage } from ${JSON.stringify(import.meta.resolve("../../src/storage/open.ts"))};
    const storage = await openStorage(${JSON.stringify(`fs:${at("raced")}`)});
    for (let i = 0; i < 300; i++) await storage.put(\`a\${i}/b/c/\${process.pid}\`, [Uint8Array.of(1)]);
  `;
  const codes = await Promise.all(
    [1, 2, 3].map(async () => {
      const child = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: "inherit" });
      return new Promise((resolve) => child.once("exit", resolve));
    }),
  );
  assert.deepEqual(codes, [0, 0, 0]);
});
