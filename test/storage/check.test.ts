import assert from "node:assert/strict";
import fs from "node:fs";
import { after, describe, test } from "node:test";
import { checkStorage, type StorageCheck } from "../../src/storage/check/check-storage.ts";
import { measureChannel } from "../../src/storage/check/measure-channel.ts";
import { openStorage } from "../../src/storage/open.ts";
import { useServer } from "../servers/index.ts";
import { temporaryFolder } from "../support/cli.ts";
import { needs } from "../support/requirement.ts";

const folder = temporaryFolder();
after(folder.remove);
const quick = { valueBytes: 100_000, budgetMs: 20 };

const outcomes = ({ probes }: StorageCheck): Record<string, string> =>
  Object.fromEntries(probes.map(({ name, outcome }) => [name, outcome]));

test("a folder is fit for everything, and nothing is left in it", async () => {
  const check = await checkStorage(`fs:${folder.path}/store`, quick);
  assert.deepEqual(check.fitFor, ["--storage", "--channel"]);
  assert.ok(check.probes.every(({ outcome }) => outcome === "works"));
  assert.equal(check.thousandPutsUsd, null);
  assert.equal(fs.existsSync(`${folder.path}/store`), false);
});

test("what a store lacks decides what it is fit for", async () => {
  const memory = await checkStorage("memory:checked", quick);
  assert.deepEqual(memory.fitFor, []); // no other process sees it
  assert.deepEqual(outcomes(memory).durable, "missing");
});

test("a store that damages what it holds is fit for nothing, and is not measured", async () => {
  const check = await checkStorage(`fs:${folder.path}/damaged?damages=1`, quick);
  assert.deepEqual(check.fitFor, []);
  assert.equal(check.profile, null);
  const failed = check.probes.find(({ name }) => name === "put and get");
  assert.equal(failed?.outcome, "failed");
  assert.match(failed.error?.message ?? "", /expected 6 bytes as written at .*, but got other bytes/);
});

test("a store that throttles now and then passes", async () => {
  const check = await checkStorage(`fs:${folder.path}/throttled?errors=0.2&prices=s3`, quick);
  assert.deepEqual(check.fitFor, ["--storage", "--channel"]);
  assert.equal(check.thousandPutsUsd, 0.005);
  assert.equal(check.thousandGetsUsd?.toFixed(6), "0.000400");
});

test("a measurement finds the latency and the bandwidth of an emulated channel", async () => {
  const channel = await openStorage("memory:measured?latencyMs=10&upMBs=20&downMBs=40");
  const profile = await measureChannel(channel, {
    folder: "m/",
    valueBytes: 1e6,
    parallel: 2,
    budgetMs: 100,
  });
  for (const [got, low, high] of [
    [profile.putLatencyMs, 9, 40],
    [profile.getLatencyMs, 9, 40],
    [profile.upMBs, 7, 24],
    [profile.downMBs, 10, 50],
  ]) {
    assert.ok(got! > low! && got! < high!, JSON.stringify(profile));
  }
  assert.deepEqual(await Array.fromAsync(channel.list("")), []);
});

describe("on real servers", () => {
  const fit = { s3: 2, redis: 2, dynamodb: 2, memcached: 1 };
  for (const name of ["s3", "redis", "memcached"] as const) {
    test(
      `${name} is fit for ${fit[name] === 2 ? "storage and channel" : "a channel"}`,
      needs(name),
      async () => {
        const server = await useServer(name);
        const check = await checkStorage(server!.uri, quick);
        await server!.stop();
        assert.equal(check.fitFor.length, fit[name], JSON.stringify(check));
        assert.ok(check.probes.every(({ outcome }) => outcome !== "failed"));
        assert.ok(check.clockSkewMs === null || Math.abs(check.clockSkewMs) < 2000);
      },
    );
  }
});
