import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const script = fileURLToPath(new URL("step-bits.ts", import.meta.url));
/** Unoptimised code, optimised code, and optimised code that works on pairs of vectors. */
const FLAGS = [
  ["--liftoff-only"],
  ["--no-liftoff"],
  ...(process.arch === "x64" ? [["--no-liftoff", "--experimental-wasm-revectorize"]] : []),
];

test("a training step gives equal gradients with and without V8's 256-bit operations, for both tiles", async () => {
  const run = (flags: readonly string[]) => promisify(execFile)(process.execPath, [...flags, script]);
  const outputs = await Promise.all(FLAGS.map(run));
  const lines = outputs.flatMap(({ stdout }) => stdout.trim().split("\n"));
  const hashesOf = Map.groupBy(lines, (line) => line.split(" ")[0]!);
  assert.equal(hashesOf.size, 4);
  for (const [model, hashes] of hashesOf) {
    assert.equal(hashes.length, 2 * FLAGS.length, model);
    assert.equal(new Set(hashes).size, 1, `${model} on ${FLAGS.join("; ")}: ${hashes.join("\n")}`);
  }
});
