import assert from "node:assert/strict";
import net from "node:net";
import { after, test } from "node:test";
import { sltrain, temporaryFolder } from "../support/cli.ts";

const folder = temporaryFolder();
after(folder.remove);

test("storage check tells in a table what works, what was measured and what the store can be used as", async () => {
  const { code, stdout } = await sltrain(["storage", "check", "fs:store"], folder.path);
  assert.equal(code, 0);
  assert.match(stdout, /put if absent, one winner of 8 +works/);
  assert.match(stdout, /latency, median +[\d.]+ (µs|ms) +[\d.]+ (µs|ms)\n/);
  assert.match(stdout, /fs:store can be used as --storage and --channel\.\n$/);
});

test("storage check --json prints one object", async () => {
  const { code, stdout } = await sltrain(["storage", "check", "fs:store?prices=s3", "--json"], folder.path);
  assert.equal(code, 0);
  const check = JSON.parse(stdout) as {
    fitFor: string[];
    profile: { upMBs: number };
    thousandPutsUsd: number;
  };
  assert.deepEqual(check.fitFor, ["--storage", "--channel"]);
  assert.ok(check.profile.upMBs > 0);
  assert.equal(check.thousandPutsUsd, 0.005);
});

test("a store that cannot be reached ends with exit code 1, the reason and what to do, without the password", async () => {
  const server = net.createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  const uri = `redis://:hidden@127.0.0.1:${port}?retryMs=200`;
  const { code, stdout, stderr } = await sltrain(["storage", "check", uri], folder.path);
  assert.equal(code, 1);
  assert.equal(stdout, "");
  assert.match(stderr, /ECONNREFUSED/);
  assert.doesNotMatch(stderr, /hidden/);
});

test("a store that fails a probe ends with exit code 1 and says which", async () => {
  const { code, stdout } = await sltrain(["storage", "check", "fs:store?truncations=1"], folder.path);
  assert.equal(code, 1);
  assert.match(stdout, /put and get +failed/);
  assert.match(stdout, /cannot be used/);
});
