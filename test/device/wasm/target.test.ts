import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { createWasmDevice } from "../../../src/device/wasm/wasm-device.ts";
import { measurePeak } from "../../../src/device/wasm/peak.ts";
import { probeWasmTarget } from "../../../src/device/wasm/target.ts";
import { productBits } from "./product-bits.ts";

test("the probe decides once, and a device goes by it", async () => {
  const target = await probeWasmTarget();
  assert.equal(typeof target.wide, "boolean");
  assert.equal(await probeWasmTarget(), target);
  assert.deepEqual((await createWasmDevice()).target, target);
});

test("without V8's flag the target is probed apart, and differs in nothing but what is fast", async () => {
  const plain = await probeWasmTarget({ revectorize: false });
  assert.equal(await probeWasmTarget({ revectorize: false }), plain);
  assert.equal(plain.relaxedSimd, (await probeWasmTarget()).relaxedSimd);
});

const script = fileURLToPath(new URL("product-bits.ts", import.meta.url));
const optimised = ["--no-liftoff"];
const revectorised = [...optimised, "--experimental-wasm-revectorize"];

for (const [name, flags] of [
  ["V8's optimisations", optimised],
  ["V8's 256-bit operations", process.arch === "x64" ? revectorised : optimised],
] as const)
  test(`${name} give the bits that unoptimised code gives, for both tiles`, () => {
    const output = execFileSync(process.execPath, [...flags, script], { encoding: "utf8" });
    const here = createHash("sha256").update(productBits(false)).digest("hex");
    const [narrow, wide] = output.trim().split("\n");
    assert.equal(narrow, here);
    assert.equal(wide, here);
  });

test("peaks are positive, and those of pairs are not below those of single vectors", async () => {
  const { fma128Gflops, fma256Gflops, memoryGBs, bandwidths } = await measurePeak();
  assert.ok(fma128Gflops > 0.1 && memoryGBs > 0.1);
  assert.ok(fma256Gflops > 0.5 * fma128Gflops);
  assert.ok(bandwidths.every(({ gbPerS }) => gbPerS > 0.1));
  assert.equal(bandwidths.at(-1)!.gbPerS, memoryGBs);
});
