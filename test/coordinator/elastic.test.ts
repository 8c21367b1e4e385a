// A run of `--workers 2..4` whose functions are scarce at first: real processes, and a service that loses the starts of one
// rank of the first crew, as an account does that is at its limit.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { coordinate } from "../../bench/chaos/coordinator.ts";
import { built } from "../../bench/functions/built.ts";
import { localUri } from "../../src/functions/local.ts";
import { functionFolder, HANDLER } from "../../src/providers/function-bundle.ts";
import { startLambdaService } from "../../src/providers/local/service.ts";
import { runKeys } from "../../src/run/keys.ts";
import { appendMembers, readMembers } from "../../src/run/membership.ts";
import { openStorage } from "../../src/storage/open.ts";
import { temporaryFolder } from "../support/cli.ts";

const folder = temporaryFolder();
after(folder.remove);
const FUNCTION = "elastic";

test("a run goes on with the workers that it gets, grows when it can, and its log of members gives the same bits", async () => {
  const logFolder = join(folder.path, "logs");
  mkdirSync(logFolder);
  const service = await startLambdaService({
    ...{ port: 0, logFolder, accountConcurrency: 40, runtime: [built("src/providers/local/runtime.ts")] },
    functions: [
      {
        ...{ name: FUNCTION, memoryMiB: 512, timeoutS: 60, environment: {} },
        ...{ bundlePath: functionFolder, handler: HANDLER },
      },
    ],
  });
  const match = { kind: "worker", rank: 3, attempt: 0 };
  service.faults.disturb({ match, deliveriesMs: [], times: Infinity });
  const storage = `fs:${join(folder.path, "storage")}`;
  const run = (runId: string, workers: string | number) =>
    coordinate({
      ...{ runId, functions: localUri(service.endpoint, FUNCTION), storage: `${storage}?latencyMs=5` },
      settings: {
        ...{ workers, model: "lr", data: "random-binary:2200", "batch-size": 16, epochs: 1 },
        ...{ "io-thread": "off", threads: 1, "lease-ms": 200, "checkpoint-every-steps": 20, "timeout-s": 60 },
      },
    });
  const store = await openStorage(storage);
  try {
    const elastic = await run("elastic", "2..4");
    const [first, grown, ...more] = await readMembers(store, runKeys("elastic"));
    assert.deepEqual([first, grown?.workers, more], [{ fromStep: 0, workers: 3 }, 4, []]);
    assert.equal(elastic.workers, 4);
    await appendMembers(store, runKeys("repeated"), grown!);
    const repeated = await run("repeated", 3);
    assert.deepEqual(await readMembers(store, runKeys("repeated")), [first, grown]);
    assert.equal(repeated.parametersSha256, elastic.parametersSha256);
  } finally {
    await store.close();
    await service.close();
  }
});
