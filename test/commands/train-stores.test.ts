// `sltrain train` and what follows it, on real servers instead of a folder.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { openStorage } from "../../src/storage/open.ts";
import { collect } from "../contract/collect.ts";
import { useServer } from "../servers/index.ts";
import { eventsOf, sltrain, temporaryFolder, type Ended, type JsonEvent } from "../support/cli.ts";
import { needs } from "../support/requirement.ts";

const folder = temporaryFolder();
after(folder.remove);
const small = ["train", "--model", "lr", "--data", "random-binary:2000", "--epochs", "1", "--workers", "2"];

function completed(ended: Ended): JsonEvent {
  assert.equal(ended.code, 0, ended.stdout + ended.stderr);
  return eventsOf(ended).at(-1)!;
}

const names = ["s3", "dynamodb", "redis"] as const;
const servers = await Promise.all(names.map((name) => useServer(name)));
after(async () => {
  for (const server of servers) await server?.stop();
});

describe("a run on a server", () => {
  let onDisk: JsonEvent;
  before(async () => {
    onDisk = completed(await sltrain([...small, "--json"], folder.path));
  });

  for (const [i, name] of names.entries()) {
    test(
      `${name}:// gives the bits of a run in a folder, leaves its results only, and can be asked for them`,
      needs(name),
      async () => {
        const uri = servers[i]!.uri;
        const runId = `on-${name}-${process.pid}`;
        const at = ["--storage", uri, "--json"];
        const summary = completed(await sltrain([...small, "--run-id", runId, ...at], folder.path));
        assert.equal(summary.parametersSha256, onDisk.parametersSha256);
        assert.equal(summary.accuracy, onDisk.accuracy);

        const storage = await openStorage(uri);
        const left = await collect(storage.list(`runs/${runId}/`));
        await storage.close();
        const results = [
          "manifest.json",
          "members/000000000.json",
          "metrics.jsonl",
          "model.json",
          "model.safetensors",
          "summary.json",
        ];
        assert.deepEqual(
          left,
          results.map((file) => `runs/${runId}/${file}`),
        );

        const listed = await sltrain(["runs", "ls", ...at], folder.path);
        const { runs } = JSON.parse(listed.stdout) as { runs: { runId: string; status: string }[] };
        assert.equal(runs.find((run) => run.runId === runId)?.status, "completed");
        const evaluated = await sltrain(["evaluate", runId, ...at], folder.path);
        assert.equal((JSON.parse(evaluated.stdout) as JsonEvent).accuracy, onDisk.accuracy);
      },
    );
  }

  test(
    "that has no such bucket ends before it begins, with what to do and no credentials",
    needs("s3"),
    async () => {
      const ended = await sltrain([...small, "--storage", "s3://no-such-bucket", "--json"], folder.path);
      assert.notEqual(ended.code, 0);
      assert.equal(eventsOf(ended).at(-1)!.code, "storage-missing");
      assert.match(ended.stdout, /aws s3 mb s3:\/\/no-such-bucket/);
      assert.doesNotMatch(ended.stdout + ended.stderr, /testsecret/);
    },
  );
});
