import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { benchExchange, type ExchangeOptions } from "../../bench/exchange/bench-exchange.ts";
import { criticalPathMs, roundBoundMs } from "../../bench/exchange/bound.ts";
import { parseMatrix } from "../../bench/exchange/matrix.ts";
import { exchangeTable } from "../../bench/exchange/table.ts";
import { benchTrees, treesOf, treesTable } from "../../bench/exchange/trees.ts";
import { exchangePage } from "../../bench/report/exchange-page.ts";
import { parseReduce } from "../../src/allreduce/patterns/index.ts";
import { SltrainError } from "../../src/errors.ts";
import { startParameterServer } from "../../src/ps/server.ts";
import { temporaryFolder } from "../support/cli.ts";

const texts = { workers: "2", bytes: "1kB", reduce: "scatter-reduce", compress: "f32" };

const optionsOf = (changed: Partial<typeof texts>, more: Partial<ExchangeOptions> = {}): ExchangeOptions => ({
  matrix: parseMatrix({ ...texts, ...changed }),
  channel: undefined,
  rounds: 3,
  bucketBytes: 1 << 20,
  zstd: "auto",
  prices: undefined,
  tasks: false,
  ...more,
});

test("processes exchange exact means over a folder that is removed afterwards, the textbook beside them", async () => {
  const folder = temporaryFolder();
  process.env.TMPDIR = folder.path;
  const report = await benchExchange(
    optionsOf({ workers: "3", bytes: "40kB", reduce: "scatter-reduce,textbook" }, { prices: "s3" }),
  );
  assert.deepEqual(readdirSync(folder.path), []);
  delete process.env.TMPDIR;
  folder.remove();
  assert.equal(report.rows.length, 2);
  for (const row of report.rows) {
    assert.equal(row.rounds, 3);
    assert.ok(row.minMs <= row.medianMs && row.medianMs <= row.maxMs);
    assert.ok(row.vsTextbook! > 0);
    assert.ok(row.boundMs! > 0 && row.boundRatio! > 0);
    assert.equal(row.requests.put, row.predictedRequests?.put, row.reduce);
    assert.equal(Math.round(row.requests.get - row.misses), row.predictedRequests?.get, row.reduce);
    assert.ok(row.relativeError < 1e-6);
    if (row.reduce === "scatter-reduce") assert.ok(row.exact);
    assert.ok(row.costUsd! > 0);
  }
  const textbook = report.rows[1]!;
  assert.deepEqual([textbook.requests.put, textbook.predictedRequests?.get], [9, 12]);
  assert.equal(textbook.requests.delete, 9);
  assert.equal(textbook.bytesUp, 40_000 * 3);
  assert.match(exchangeTable(report), /textbook +f32 +3 +40\.0 kB/);
  const page = exchangePage(report);
  assert.match(page, /3 workers, 40\.0 kB/);
  assert.doesNotMatch(page, /NaN|undefined|<script|https?:/);
});

test("ranks may be tasks of one process", async () => {
  const report = await benchExchange(
    optionsOf(
      { workers: "1,8", reduce: "scatter-reduce,textbook" },
      { tasks: true, channel: "memory:tasks" },
    ),
  );
  assert.deepEqual(
    report.rows.map(({ workers, reduce, exact, cpuMs }) => [
      workers,
      reduce,
      exact || reduce === "textbook",
      cpuMs,
    ]),
    [
      [1, "scatter-reduce", true, null],
      [1, "textbook", true, null],
      [8, "scatter-reduce", true, null],
      [8, "textbook", true, null],
    ],
  );
  assert.equal(report.rows[0]!.boundRatio, null);
  assert.equal(report.ranksAre, "tasks");
});

test("parameter servers are compared without a bound", async () => {
  const token = "only-for-this-test";
  const server = await startParameterServer({
    ...{ host: "127.0.0.1", port: 0, token, memoryBytes: 1 << 26 },
    onRun: () => undefined,
  });
  process.env.SLTRAIN_PS_TOKEN = token;
  try {
    const channel = `ps://127.0.0.1:${server.port}`;
    const matrix = parseMatrix({ ...texts, workers: "3", bytes: "40kB", channel });
    const report = await benchExchange({ ...optionsOf({}), matrix, channel });
    const row = report.rows[0]!;
    assert.deepEqual([row.reduce, row.exact, row.boundMs, row.predictedRequests], ["ps:1", true, null, null]);
    assert.ok(row.requests.put > 0 && row.bytesUp > 60_000 && row.bytesDown > 60_000);
    assert.deepEqual(report.channel, { uri: channel });
    assert.equal(server.report().runs, 0);
    assert.match(exchangeTable(report), /ps:1 +f32/);
    assert.doesNotMatch(exchangePage(report), /NaN|undefined/);
  } finally {
    delete process.env.SLTRAIN_PS_TOKEN;
    await server.close();
  }
});

test("the first failure of a rank ends the bench", async () => {
  await assert.rejects(benchExchange(optionsOf({}, { channel: "fs:/proc/no-such-folder" })), SltrainError);
});

test("every tree of the real engine gives the mean, and its prediction is there to compare", async () => {
  const done: string[] = [];
  const report = await benchTrees({
    ...{ workers: 9, bytes: 4000, latencyMs: 1, linkMBs: 10, rounds: 1 },
    onProgress: (_, __, name) => done.push(name),
  });
  assert.deepEqual(
    report.rows.map(({ layers, mergers, latencyTm }) => [layers.join(" "), mergers, latencyTm]),
    [
      ["1 9", 1, 9],
      ["1 3 9", 4, 6],
    ],
  );
  near(report.tmMs, 0.4);
  near(report.rows[0]!.predictedMs, 2 * (1 + 1) + 8 * 0.4 + 2 * 0.4 + 0.4);
  assert.equal(done.length, 2);
  assert.match(treesTable(report), /1 3 9 +4 +6/);
});

const profile = { putLatencyMs: 2, getLatencyMs: 1, upMBs: 100, downMBs: 200, overlap: 1 };
const ELEMENTS = 64_000;
const vectorMs = (MBs: number): number => (ELEMENTS * 4) / MBs / 1e3;
const near = (got: number, want: number): void =>
  assert.ok(Math.abs(got - want) < 1e-9, `${got}, not ${want}`);
const aloneAt = (downMBs: number) => ({ parallelUpMBs: 100, parallelDownMBs: downMBs });
const channelOf = (changed: Partial<typeof profile>) => {
  const changedProfile = { ...profile, ...changed };
  return { alone: aloneAt(200), together: changedProfile };
};
const planOf = (spec: string, worldSize: number) => [
  parseReduce(spec).plan({ begin: 0, end: ELEMENTS }, worldSize, 0),
];

test("scatter-reduce's bound is two phases of latency, and a rank's bytes by its bandwidth", () => {
  const plans = planOf("scatter-reduce", 4);
  const [upMs, downMs] = [vectorMs(100), 1.5 * vectorMs(200)];
  near(roundBoundMs(plans, channelOf({}), 4), 2 * 3 + upMs + downMs);
  near(criticalPathMs(plans, channelOf({}), 4), 2 * 3 + upMs + downMs);
  near(roundBoundMs(plans, channelOf({ overlap: 0.5 }), 4), 2 * 3 + Math.max(upMs, downMs));
});

test("a tree's way is the sum of its fan-ins, and the mean's way back", () => {
  const path = (spec: string, worldSize: number, aloneMBs = 200): number =>
    criticalPathMs(planOf(spec, worldSize), { alone: aloneAt(aloneMBs), together: profile }, 4);
  near(path("tree:1,4", 4), 2 * 3 + 3 * vectorMs(200) + 2 * vectorMs(100) + vectorMs(200));
  assert.ok(path("tree:1,4,16", 16) < path("tree:1,16", 16));
  // Where few are active, each may have more of what all have together.
  assert.ok(path("tree:1,16", 16, 3200) < path("tree:1,16", 16));
});

test("means that are passed on take one more hop", () => {
  const latencyMs = (spec: string): number => roundBoundMs(planOf(spec, 16), channelOf({}), 0);
  near(latencyMs("scatter-reduce"), 2 * 3);
  near(latencyMs("hierarchical:4"), 4 * 3);
});

test("all trees that are compared end with the workers, and the flat one is first", () => {
  assert.deepEqual(treesOf(100).slice(0, 4), [
    [1, 100],
    [1, 10, 100],
    [1, 5, 22, 100],
    [1, 4, 20, 100],
  ]);
  assert.deepEqual(treesOf(2), [[1, 2]]);
});

test("lists name every combination; a structure's numbers stay with their tree", () => {
  const matrix = parseMatrix({ ...texts, workers: "2, 4,8", bytes: "224,12e6,12MB,1MiB" });
  assert.deepEqual(matrix.workers, [2, 4, 8]);
  assert.deepEqual(matrix.bytes, [224, 12e6, 12e6, 1 << 20]);
  assert.deepEqual(matrix.contenders, [{ reduce: "scatter-reduce", codec: "f32" }]);
});

test("what makes no sense is refused with the flag, or the nearest name", () => {
  const cases: readonly [Partial<typeof texts>, string, RegExp][] = [
    [{ workers: "0" }, "bench-invalid", /--workers: expected whole numbers/],
    [{ workers: "2,many" }, "bench-invalid", /"many"/],
    [{ bytes: "12XB" }, "bench-invalid", /--bytes: expected multiples of 4.*"12XB"/],
    [{ bytes: "6" }, "bench-invalid", /"6"/],
    [{ reduce: "scater-reduce" }, "reduce-invalid", /Did you mean scatter-reduce/],
    [{ reduce: "textbok" }, "reduce-invalid", /Did you mean textbook/],
    [{ reduce: "tree:1,3" }, "reduce-invalid", /layers that end with 2 workers/],
    [{ compress: "f3" }, "codec-invalid", /Did you mean f32/],
  ];
  for (const [changed, code, words] of cases) {
    assert.throws(
      () => parseMatrix({ ...texts, ...changed }),
      (error) => {
        assert.ok(error instanceof SltrainError);
        assert.equal(error.code, code);
        assert.match([error.message, ...error.suggestions].join(" "), words);
        return true;
      },
    );
  }
});
