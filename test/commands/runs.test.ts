import assert from "node:assert/strict";
import { after, test } from "node:test";
import { putJson } from "../../src/run/json-object.ts";
import { runKeys } from "../../src/run/keys.ts";
import { openStorage } from "../../src/storage/open.ts";
import { sltrain, temporaryFolder } from "../support/cli.ts";

const folder = temporaryFolder();
after(folder.remove);

/** An unfinished run as the coordinator leaves it, as far as the commands look. */
async function leaveRun(runId: string, createdAt: string): Promise<void> {
  const storage = await openStorage(`fs:${folder.path}/store`);
  await putJson(storage, runKeys(runId).manifest, {
    ...{ schemaVersion: 1, runId, createdAt, loss: "softmax-cross-entropy", parameterCount: 7850 },
    config: {
      ...{ model: "lr", data: "mnist", workers: 2, epochs: 5, batchSize: 64, provider: "local" },
      ...{ algorithm: "ga-sgd", sync: "bsp", syncEvery: null, compress: "f32", reduce: "scatter-reduce" },
      ...{ storage: "fs:store", channel: "fs:store" },
    },
    data: { counts: { train: 9000, validation: 1000 } },
    versions: { node: "24.0.0" },
    machine: { cpu: "a CPU", cores: 2 },
  });
  await storage.close();
}

test("runs ls lists the oldest run first, whatever the runs are called", async () => {
  await leaveRun("zebra", "2026-11-22T10:00:00.000Z");
  await leaveRun("ant", "2026-11-23T10:00:00.000Z");
  const { code, stdout } = await sltrain(["runs", "ls", "--storage", "fs:store"], folder.path);
  assert.equal(code, 0);
  assert.match(stdout, /^zebra +unfinished +lr, mnist +0 +- +-\nant /m);
});

test("runs show tells how to resume an unfinished run where it lies, and draws nothing without epochs", async () => {
  const { code, stdout } = await sltrain(["runs", "show", "ant", "--storage", "fs:store"], folder.path);
  assert.equal(code, 0);
  assert.match(stdout, /^resume +sltrain train --run-id ant --storage fs:store$/m);
  assert.doesNotMatch(stdout, /epoch|curve|no points/);
});

test("a run that is not there is refused with exit code 1 and what to do", async () => {
  const { code, stdout, stderr } = await sltrain(["runs", "show", "ant"], folder.path);
  assert.equal(code, 1);
  assert.equal(stdout, "");
  assert.match(stderr, /expected a run in fs:\.sltrain, got "ant"/);
});
