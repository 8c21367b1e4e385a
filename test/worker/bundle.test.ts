// The built bundle, as a function's runtime finds it.

import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { FunctionContext } from "../../src/worker/invocation.ts";

const folder = fileURLToPath(new URL("../../dist/function/", import.meta.url));
const files = readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name));

/** What an import of `name` loads at once: its static imports, and theirs. */
function loadedWith(name: string, loaded = new Set<string>()): ReadonlySet<string> {
  if (loaded.has(name)) return loaded;
  loaded.add(name);
  const text = readFileSync(join(folder, name), "utf8");
  for (const [, next] of text.matchAll(/(?:\bfrom|\bimport)\s*"\.\/([^"]+)"/g)) loadedWith(next!, loaded);
  return loaded;
}

test("the bundle is under 2.5 MB with all that it may load", () => {
  const totalBytes = files.reduce((sum, file) => sum + statSync(file).size, 0);
  assert.ok(totalBytes < 2_500_000, `${totalBytes} bytes`);
});

test("a cold start on a processor loads nothing of WebGPU, and no function carries Dawn", () => {
  const holds = (name: string, text: string) => readFileSync(join(folder, name), "utf8").includes(text);
  const names = files.map((file) => basename(file));
  const kernels = names.filter((name) => holds(name, "@workgroup_size"));
  assert.ok(kernels.length > 0, "no kernel is in the bundle");
  const atOnce = loadedWith("handler.mjs");
  assert.ok(atOnce.size > 3, "no static import is found");
  assert.deepEqual(
    kernels.filter((name) => atOnce.has(name)),
    [],
  );
  assert.ok(!names.some((name) => name.endsWith(".node")));
  for (const name of names) assert.ok(!holds(name, "dawn.node"), `${name} has Dawn's loader`);
});

test("the bundle holds neither zstd-codec nor what only the command line needs", () => {
  const text = files.map((file) => readFileSync(file, "utf8")).join("\n");
  assert.ok(!text.includes("ZstdCodec.run(function"), "zstd-codec is bundled");
  for (const absent of ["@oclif/core", "ZodError", "csv-parse", "log-update"])
    assert.ok(!text.includes(absent), absent);
});

test("its handler refuses an event that is none, naming the field", async () => {
  const { handler } = (await import(join(folder, "handler.mjs"))) as {
    handler: (event: unknown, context: FunctionContext) => Promise<unknown>;
  };
  const context = { awsRequestId: "r", memoryLimitInMB: "1769", getRemainingTimeInMillis: () => 900_000 };
  const handle = (event: unknown) => handler(event, context);
  const event = {
    ...{ schemaVersion: 2, kind: "worker", runId: "r", storage: "memory:s", channel: "memory:s" },
    ...{ rank: 0, attempt: 0, workers: 1, generation: 0, reason: "start" },
  };
  await assert.rejects(
    handle({ ...event, rank: "0" }),
    /function event: expected rank to be a whole number from 0, got "0"/,
  );
  await assert.rejects(handle({ ...event, schemaVersion: 1 }), /expected schemaVersion to be 2, got 1/);
  await assert.rejects(
    handle({ ...event, reason: "fun" }),
    /reason to be start, handover, rescue or speculation, got "fun"/,
  );
  await assert.rejects(handle(undefined), /expected schemaVersion to be 2, got undefined/);
  await assert.rejects(
    handle(event),
    /expected a run manifest under runs\/r\/manifest\.json in memory:s, got none/,
  );
});
