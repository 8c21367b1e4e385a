// Transformations on functions of the local service, real processes: whatever becomes of them, the data set is the one
// that the coordinator makes by itself.

import assert from "node:assert/strict";
import { cpSync, globSync, mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { after, before, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { built } from "../../bench/functions/built.ts";
import { importData } from "../../src/coordinator/import-data.ts";
import { transformData, type TransformedData } from "../../src/coordinator/transform-data.ts";
import { statisticsKey } from "../../src/data/manifest.ts";
import { localUri } from "../../src/functions/local.ts";
import { functionFolder, HANDLER } from "../../src/providers/function-bundle.ts";
import { type LambdaService, startLambdaService } from "../../src/providers/local/service.ts";
import type { MapperEvent } from "../../src/run/records.ts";
import { openStorage } from "../../src/storage/open.ts";
import { temporaryFolder } from "../support/cli.ts";

const FUNCTION = "mapper";
const TIMEOUT_S = 3;

const folder = temporaryFolder();
after(folder.remove);
const source = join(folder.path, "source");

interface Setting {
  readonly from: string;
  readonly steps: string;
  readonly workers?: number;
  readonly query?: string;
  readonly maxRestarts?: number;
  /** What happens to the functions meanwhile. */
  readonly meanwhile?: (service: LambdaService, root: string, over: AbortSignal) => Promise<void> | void;
}

interface Transformed extends TransformedData {
  readonly statistics: string;
  /** Keys of what functions left. */
  readonly work: readonly string[];
}

let copies = 0;

/** On a copy of the source's storage of its own. */
async function transform({
  from,
  steps,
  workers,
  query = "",
  maxRestarts = 3,
  meanwhile,
}: Setting): Promise<Transformed> {
  const root = join(folder.path, `storage-${copies++}`);
  cpSync(source, root, { recursive: true });
  const logFolder = join(root, "service-logs");
  mkdirSync(logFolder);
  const uri = `fs:${root}${query}`;
  const storage = await openStorage(uri);
  const common = { storage, from, to: "made", steps, onProgress: () => undefined };
  const parsed = async (made: TransformedData) => {
    const statistics = await storage.get({ key: statisticsKey(made.manifest.id) });
    const work = await Array.fromAsync(storage.list(`data/${made.manifest.id}/work/`));
    return { ...made, statistics: Buffer.from(statistics!).toString(), work };
  };
  try {
    if (workers === undefined) return await parsed(await transformData(common));
    const service = await startLambdaService({
      ...{ port: 0, logFolder, accountConcurrency: 40, runtime: [built("src/providers/local/runtime.ts")] },
      functions: [
        {
          ...{
            name: FUNCTION,
            memoryMiB: 1769,
            timeoutS: TIMEOUT_S,
            environment: {},
            maximumRetryAttempts: 0,
          },
          ...{ bundlePath: functionFolder, handler: HANDLER },
        },
      ],
    });
    const over = new AbortController();
    const disturbing = meanwhile?.(service, root, over.signal);
    try {
      const config = {
        ...{ storage: uri, workers, memoryMiB: 1769, timeoutS: TIMEOUT_S, leaseMs: 1000, maxRestarts },
      };
      const createProvider = () => ({
        name: "local",
        open: () => Promise.resolve({ functions: localUri(service.endpoint, FUNCTION) }),
        logs: async function* () {},
        close: () => Promise.resolve(),
      });
      return await parsed(await transformData({ ...common, functions: { config, createProvider } }));
    } finally {
      over.abort();
      await disturbing;
      await service.close();
    }
  } finally {
    await storage.close();
  }
}

/** Five partitions to train on and one to validate on; three and one. */
before(async () => {
  const storage = await openStorage(`fs:${source}`);
  for (const [name, rows] of [
    ["higgs", 150_000],
    ["rcv1", 18_000],
  ] as const) {
    const progress = { onProgress: () => undefined };
    const options = { storage, source: `synthetic:${name}`, name: `${name}-twin`, seed: 1, read: {}, rows };
    await importData({ ...options, ...progress });
  }
  await storage.close();
});

/**
 * Kills a function of a stage's first share that has computed a part and has another one to compute. Looks until there is
 * one, for this process has other work. Returns how many were killed.
 */
async function killInTheMiddle(service: LambdaService, root: string, over: AbortSignal): Promise<number> {
  while (!over.aborted) {
    for (const sandbox of service.pool.sandboxes) {
      if (sandbox.invocation === undefined) continue;
      const { stage, parts } = JSON.parse(Buffer.from(sandbox.invocation.payload).toString()) as MapperEvent;
      const [begin, end] = parts;
      // Without a turn of the event loop from the look to the kill.
      const names = globSync(`data/*/work/stages/${stage}/results/*`, { cwd: root });
      const done = names.filter((name) => Number(basename(name)) < end);
      if (begin > 0 || done.length === 0 || done.length === end) continue;
      sandbox.signal("SIGKILL");
      return 1;
    }
    await sleep(5);
  }
  return 0;
}

function assertSame(got: Transformed, wanted: Transformed): void {
  assert.deepEqual(got.manifest, wanted.manifest);
  assert.equal(got.statistics, wanted.statistics);
  assert.deepEqual(got.work, [], "the functions' records are gone");
}

// Much of their time passes in waiting.
suite("a transformation on functions", { concurrency: 3 }, () => {
  test("any number of functions makes, to the bit, what the coordinator makes", async () => {
    for (const [from, steps] of [
      ["higgs-twin", "l2-norm,standardise,min-max"],
      ["rcv1-twin", "tf-idf,hash:12"],
    ] as const) {
      const here = await transform({ from, steps });
      assert.equal(here.use, undefined);
      for (const workers of [1, 3]) {
        const made = await transform({ from, steps, workers });
        assertSame(made, here);
        const { lives, gbSeconds, costUsd } = made.use!;
        // l2-norm and hash measure nothing; the import has measured for no step but a first one.
        const stages = from === "higgs-twin" ? 3 : 2;
        assert.ok(lives >= workers * stages, `${lives} lives`);
        assert.ok(gbSeconds > 0 && costUsd.total > costUsd.compute && costUsd.compute > 0);
      }
    }
  });

  test("functions that are killed, lost or delivered twice change nothing", async () => {
    const setting = { from: "higgs-twin", steps: "l2-norm,standardise" };
    const here = await transform(setting);
    let killed = 0;
    const made = await transform({
      ...{ ...setting, workers: 2, query: "?latencyMs=150" },
      async meanwhile(service, root, over) {
        // Of the second stage the first share is lost at first, the other comes twice.
        const match = { kind: "mapper", stage: 2, attempt: 0 };
        service.faults.disturb({ match: { ...match, parts: [0, 3] }, deliveriesMs: [] });
        service.faults.disturb({ match: { ...match, parts: [3, 6] }, deliveriesMs: [0, 0] });
        killed = await killInTheMiddle(service, root, over);
      },
    });
    assert.ok(killed > 0, "nobody was there to be killed");
    assertSame(made, here);
    assert.ok(made.use!.restarts >= 2, `${made.use!.restarts} restarts`);
  });

  test("a function whose time runs out is followed by another one, which goes on", async () => {
    const setting = { from: "higgs-twin", steps: "l2-norm" };
    // A part takes some 0.7 s, of 3.
    const made = await transform({ ...setting, workers: 1, query: "?latencyMs=250" });
    assertSame(made, await transform(setting));
    assert.ok(made.use!.lives >= 2, `${made.use!.lives} lives`);
  });

  test("what a step cannot take is told as here", async () => {
    const setting = { from: "higgs-twin", steps: "one-hot:0" };
    const message = /one-hot: expected whole numbers from 0 in column .*, got \d\.\d+/;
    for (const workers of [undefined, 2]) {
      await assert.rejects(transform({ ...setting, ...(workers && { workers }) }), {
        code: "data-transform",
        message,
      });
    }
  });

  test("functions that all die end it with what they printed", async () => {
    await assert.rejects(
      transform({
        ...{ from: "higgs-twin", steps: "l2-norm", workers: 2, maxRestarts: 0 },
        meanwhile(service) {
          service.faults.disturb({ match: { kind: "mapper" }, deliveriesMs: [], times: Infinity });
        },
      }),
      { code: "function-died", message: /part 0: expected its result, got none from 1 functions? in a row/ },
    );
  });
});
