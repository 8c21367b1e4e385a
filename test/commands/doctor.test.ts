import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { after, test } from "node:test";
import { freePort } from "../servers/server.ts";
import { sltrain, temporaryFolder } from "../support/cli.ts";

const folder = temporaryFolder();
after(folder.remove);

test("doctor prints its screen, and ends well where all that training here needs is there", async () => {
  const { code, stdout } = await sltrain(["doctor"], folder.path);
  assert.match(stdout, /This machine\nok +Node +\d+/);
  assert.match(stdout, /ok +WebAssembly SIMD +128-bit/);
  assert.match(stdout, /ok +storage +fs:\.sltrain: .* a put/);
  assert.match(stdout, /AWS Lambda\n/);
  assert.match(stdout, /\nReady/);
  assert.equal(code, 0);
  assert.deepEqual(readdirSync(folder.path), []);
});

test("doctor says what to do where a GPU is asked for that is not there, and its exit code is 1", async () => {
  const noDriver = { VK_DRIVER_FILES: "/dev/null", VK_ICD_FILENAMES: "/dev/null" };
  const { code, stdout } = await sltrain(["doctor", "--device", "webgpu"], folder.path, noDriver);
  assert.equal(code, 1);
  assert.match(stdout, /failing +GPU +.*expected a GPU, got none/);
  assert.match(stdout, /→ .*--device wasm/);
  assert.match(stdout, /Not ready/);
});

test("doctor --json prints one object; a store that does not answer makes the exit code 1", async () => {
  const storage = `redis://:hidden@127.0.0.1:${await freePort()}?retryMs=200`;
  const { code, stdout, stderr } = await sltrain(["doctor", "--storage", storage, "--json"], folder.path);
  assert.equal(code, 1);
  assert.doesNotMatch(stdout + stderr, /hidden/);
  const report = JSON.parse(stdout) as { healthy: boolean; checks: { name: string; outcome: string }[] };
  assert.equal(report.healthy, false);
  const outcomes = Object.fromEntries(report.checks.map(({ name, outcome }) => [name, outcome]));
  assert.equal(outcomes["storage"], "failing");
  assert.equal(outcomes["Node"], "ok");
});
