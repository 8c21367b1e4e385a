// The collective through parameter servers that run in this process and speak real HTTP.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Collective, RoundResult } from "../../src/allreduce/collective.ts";
import { openParameterServer } from "../../src/allreduce/parameter-server.ts";
import { SltrainError } from "../../src/errors.ts";
import { type RunningServer, startParameterServer } from "../../src/ps/server.ts";
import { RandomStream } from "../../src/random.ts";
import type { Codec } from "../../src/shard/codec/codec.ts";
import { parseCodec } from "../../src/shard/codec/codecs.ts";
import { f32 } from "../../src/shard/codec/f32.ts";
import type { Layout } from "../../src/shard/layout.ts";

const TOKEN = "correct horse";
const TIMEOUT_MS = 5000;
const layout: Layout = {
  entries: [
    { name: "filter", shape: [5, 6, 5], offset: 0, length: 150 },
    { name: "bias", shape: [6], offset: 192, length: 6 },
    { name: "weights", shape: [2000], offset: 256, length: 2000 },
    { name: "last", shape: [10], offset: 2304, length: 10 },
  ],
  length: 2368,
};
const statistics: Layout = { entries: [{ name: "mean", shape: [64], offset: 0, length: 64 }], length: 64 };
const LENGTH = layout.length + statistics.length;
const range = (length: number): number[] => Array.from({ length }, (_, i) => i);

const started: RunningServer[] = [];
after(() => Promise.all(started.map((server) => server.close())));
async function startServer({ port = 0, memoryBytes = 1e9 } = {}): Promise<RunningServer> {
  const server = await startParameterServer({
    ...{ host: "127.0.0.1", port, token: TOKEN, memoryBytes },
    onRun: () => undefined,
  });
  started.push(server);
  return server;
}
const shared = [await startServer(), await startServer()];
const opened: Collective[] = [];
after(() => Promise.all(opened.map((collective) => collective.close())));
let runs = 0;

interface World {
  readonly servers?: readonly RunningServer[];
  readonly worldSize?: number;
  readonly runId?: string;
  readonly codec?: Codec;
  readonly zstd?: "on" | "off";
}

/** Joins ranks of one run; by default all of a new one. */
function world(options: World = {}) {
  const { servers = shared.slice(0, 1), worldSize = 3, runId = `run-${runs++}` } = options;
  const { codec = f32, zstd = "off" } = options;
  const join = async (rank: number, more: { generation?: number; token?: string; seed?: number } = {}) => {
    const collective = await openParameterServer({
      ...{ servers: servers.map(({ port }) => `127.0.0.1:${port}`), token: TOKEN, runId, rank, worldSize },
      ...{ generation: 0, seed: 1, layout, statistics, bucketBytes: 256, codec, zstd },
      ...more,
    });
    opened.push(collective);
    return collective;
  };
  return { runId, worldSize, join, joinAll: () => Promise.all(range(worldSize).map((rank) => join(rank))) };
}

interface Part {
  readonly sums: Float32Array;
  readonly weight: number;
  readonly scalars: Float64Array;
}

function partOf(rank: number, step: number, salt = 0): Part {
  const random = new RandomStream(salt, "part", step * 1000 + rank);
  const weight = 1 + random.nextInt(64);
  const sums = Float32Array.from({ length: LENGTH }, () => random.nextNormal() * 10 ** random.nextInt(4));
  return { sums, weight, scalars: Float64Array.of(random.nextNormal(), rank, 1) };
}

interface Outcome {
  readonly result: RoundResult;
  readonly mean: Float32Array;
}

interface RunOptions {
  readonly pause?: () => Promise<unknown>;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

async function runRound(
  collective: Collective,
  step: number,
  { sums, weight, scalars }: Part,
  { pause = () => Promise.resolve(), timeoutMs = TIMEOUT_MS, signal }: RunOptions = {},
): Promise<Outcome> {
  const round = collective.begin({ step, weight, timeoutMs, ...(signal && { signal }) });
  for (const [i, { begin, end }] of collective.buckets.entries()) {
    await pause();
    round.push(i, sums.subarray(begin, end));
  }
  await pause();
  const mean = new Float32Array(LENGTH);
  return { result: await round.finish(scalars, mean), mean };
}

const runAll = (ranks: readonly Collective[], step: number, options?: RunOptions): Promise<Outcome[]> =>
  Promise.all(ranks.map((rank, r) => runRound(rank, step, partOf(r, step), options)));

/** Added in rank order in float64, divided once: what every owner of a chunk computes too. */
function assertExact(worldSize: number, step: number, outcomes: readonly Outcome[]): void {
  const parts = range(worldSize).map((rank) => partOf(rank, step));
  const weight = parts.reduce((total, part) => total + part.weight, 0);
  const mean = Float32Array.from(
    { length: LENGTH },
    (_, i) => parts.reduce((total, { sums }) => total + sums[i]!, 0) / weight,
  );
  const scalars = Float64Array.from({ length: 3 }, (_, i) =>
    parts.reduce((total, part) => total + part.scalars[i]!, 0),
  );
  for (const outcome of outcomes) {
    assert.deepEqual(outcome.result, { weight, scalars });
    assert.equal(Buffer.compare(Buffer.from(outcome.mean.buffer), Buffer.from(mean.buffer)), 0);
  }
}

const coded =
  (code: string, ...words: string[]) =>
  (error: unknown) => {
    assert.ok(error instanceof SltrainError, String(error));
    assert.equal(error.code, code, error.message);
    for (const word of words)
      assert.ok(error.message.includes(word), `${error.message} does not name ${word}`);
    assert.ok(!JSON.stringify([error.message, error.suggestions]).includes(TOKEN));
    return true;
  };

for (const worldSize of [1, 2, 8]) {
  for (const servers of [1, 2]) {
    test(`${worldSize} ranks with ${servers} servers get the sums in rank order divided by the weight, bit by bit`, async () => {
      const ranks = await world({ worldSize, servers: shared.slice(0, servers) }).joinAll();
      for (const step of range(3)) assertExact(worldSize, step, await runAll(ranks, step));
      const results = await Promise.all(
        ranks.map((rank, r) =>
          rank.reduceScalars({ step: 0, weight: r, timeoutMs: TIMEOUT_MS }, Float64Array.of(r + 0.5)),
        ),
      );
      const total = (worldSize * (worldSize - 1)) / 2;
      for (const result of results) {
        assert.deepEqual(result, { weight: total, scalars: Float64Array.of(total + worldSize / 2) });
      }
    });
  }
}

test("a rank puts each piece once, and asks each server once for the means of a round", async () => {
  const ranks = await world({ worldSize: 2, servers: shared }).joinAll();
  const joined = ranks[0]!.stats.requests;
  await runAll(ranks, 0);
  // Five buckets, of which those of 64 elements have one piece and the others one for each server.
  assert.deepEqual([joined, ranks[0]!.stats.requests - joined], [2, 7 + 2]);
});

test("one rank asks no server", async () => {
  const [rank] = await world({ worldSize: 1 }).joinAll();
  assertExact(1, 0, [await runRound(rank!, 0, partOf(0, 0))]);
  assert.equal(rank!.stats.requests, 0);
});

test("the timing of pushes changes no bit, and buckets may be pushed from shared memory", async () => {
  for (const seed of range(3)) {
    const random = new RandomStream(seed, "pause");
    const ranks = await world({ servers: shared }).joinAll();
    const outcomes = ranks.map((rank, r) => {
      const part = partOf(r, 0);
      const sums = new Float32Array(new SharedArrayBuffer(LENGTH * 4));
      sums.set(part.sums);
      return runRound(rank, 0, { ...part, sums }, { pause: () => sleep(random.nextUniform() * 8) });
    });
    assertExact(3, 0, await Promise.all(outcomes));
  }
});

for (const name of ["bf16", "int8", "top-k:10%", "sign"]) {
  test(`${name} leaves all ranks with the same bits, and loses nothing for good`, async () => {
    const codec = parseCodec(name);
    const ranks = await world({ servers: shared, codec, zstd: "on" }).joinAll();
    const constant = range(3).map((rank) => ({ ...partOf(rank, 0), weight: 1 }));
    const total = new Float64Array(LENGTH);
    const steps = 60;
    for (const step of range(steps)) {
      const outcomes = await Promise.all(ranks.map((rank, r) => runRound(rank, step, constant[r]!)));
      for (const { mean } of outcomes) assert.deepEqual(mean, outcomes[0]!.mean);
      outcomes[0]!.mean.forEach((value, i) => (total[i]! += value));
    }
    // What a biased codec has not sent yet is in residuals, which do not grow with the number of steps.
    const largest = Math.max(...constant.flatMap(({ sums }) => [...sums.map(Math.abs)]));
    for (const [i, sum] of total.entries()) {
      const exact = constant.reduce((part, { sums }) => part + sums[i]!, 0) / 3;
      const error = Math.abs(sum / steps - exact) / largest;
      assert.ok(error < 0.25, `element ${i}: off by ${error} of the largest`);
    }
  });
}

test("two runs on one server do not see each other", async () => {
  const [a, b] = await Promise.all([world().joinAll(), world().joinAll()]);
  const [first, second] = await Promise.all([runAll(a, 0), runAll(b, 1)]);
  assertExact(3, 0, first);
  assertExact(3, 1, second);
});

describe("a worker that runs twice", () => {
  test("leaves all with the same bits, whichever of the two was faster", async () => {
    const group = world();
    const [ranks, twin] = [await group.joinAll(), await group.join(2)];
    for (const step of range(3)) {
      const doubled = runRound(twin, step, partOf(2, step), step % 2 ? { pause: () => sleep(5) } : {});
      assertExact(3, step, [...(await runAll(ranks, step)), await doubled]);
    }
  });

  test("gets the round's mean when it comes after it, and changes nothing", async () => {
    const group = world();
    await runAll(await group.joinAll(), 0);
    assertExact(3, 0, [await runRound(await group.join(1, { generation: 1 }), 0, partOf(1, 0, 9))]);
  });

  test("ends a round in whose middle it was killed with the same bits", async () => {
    for (const pushes of range(5)) {
      const group = world();
      const ranks = await group.joinAll();
      const stop = new AbortController();
      const { sums, weight } = partOf(0, 0);
      const dying = ranks[0]!.begin({ step: 0, weight, timeoutMs: TIMEOUT_MS, signal: stop.signal });
      ranks[0]!.buckets
        .slice(0, pushes)
        .forEach(({ begin, end }, i) => dying.push(i, sums.subarray(begin, end)));
      await sleep(pushes);
      stop.abort(new Error("killed"));
      const alive = [1, 2].map((rank) => runRound(ranks[rank]!, 0, partOf(rank, 0)));
      const restarted = await runRound(await group.join(0, { generation: 1 }), 0, partOf(0, 0));
      assertExact(3, 0, [restarted, ...(await Promise.all(alive))]);
    }
  });

  test("replays the means since the last durable checkpoint, and no further", async () => {
    const group = world();
    const ranks = await group.joinAll();
    for (const step of range(6)) {
      await Promise.all(ranks.map((rank) => rank.sweep(step, 1)));
      await runAll(ranks, step);
    }
    const restarted = await group.join(1, { generation: 1 });
    for (const step of [2, 3, 4, 5]) {
      assertExact(3, step, [await runRound(restarted, step, partOf(1, step, 9))]);
    }
    await assert.rejects(
      runRound(await group.join(1, { generation: 1 }), 1, partOf(1, 1)),
      coded("mean-forgotten", "step 1"),
    );
  });
});

describe("memory", () => {
  test("is bounded by the steps between two durable checkpoints", async () => {
    const server = await startServer();
    const ranks = await world({ servers: [server] }).joinAll();
    const held: number[] = [];
    for (const step of range(20)) {
      await Promise.all(ranks.map((rank) => rank.sweep(step, step - 2)));
      await runAll(ranks, step);
      const scalars = { step, weight: 1, timeoutMs: TIMEOUT_MS };
      await Promise.all(ranks.map((rank) => rank.reduceScalars(scalars, Float64Array.of(1))));
      held.push(server.report().heldBytes);
    }
    assert.ok(Math.max(...held.slice(5)) <= Math.max(...held.slice(0, 5)), held.join(", "));
  });

  test("that is short costs the means that only a rank that starts anew could ask for", async () => {
    const large = await startServer();
    await world({ servers: [large] }).joinAll();
    const server = await startServer({ memoryBytes: large.report().heldBytes + 5 * 4 * LENGTH });
    const group = world({ servers: [server] });
    const ranks = await group.joinAll();
    for (const step of range(20)) {
      assertExact(3, step, await runAll(ranks, step));
      assert.ok(server.report().heldBytes <= server.report().limitBytes);
    }
    const again = await group.join(1, { generation: 1 });
    await assert.rejects(runRound(again, 3, partOf(1, 3)), coded("mean-forgotten", "step 3", "127.0.0.1"));
    assertExact(3, 18, [await runRound(await group.join(1), 18, partOf(1, 18))]);
  });

  test("that a run does not fit into is an error at its start, which names both sizes", async () => {
    const server = await startServer({ memoryBytes: 50_000 });
    await assert.rejects(world({ servers: [server] }).join(0), coded("ps-full", "48.8 KiB", "127.0.0.1"));
  });
});

describe("a server that is restarted in mid-round", () => {
  test("is told again what it lost, whether its ranks have their means or not", async () => {
    for (const ahead of range(4)) {
      const server = await startServer();
      const ranks = await world({ servers: [server, shared[1]!] }).joinAll();
      assertExact(3, 0, await runAll(ranks, 0));
      // The first `ahead` ranks are in step 1 with all they have; the others come after the restart.
      const early = ranks.slice(0, ahead).map((rank, r) => runRound(rank, 1, partOf(r, 1)));
      await sleep(20);
      await server.close();
      await startServer({ port: server.port });
      const late = ranks.slice(ahead).map((rank, r) => runRound(rank, 1, partOf(r + ahead, 1)));
      assertExact(3, 1, await Promise.all([...early, ...late]));
      assertExact(3, 2, await runAll(ranks, 2));
    }
  });

  test("gets a mean from those who had it, for a rank that had not", async () => {
    const server = await startServer();
    const group = world({ servers: [server] });
    const ranks = await group.joinAll();
    const others = [0, 1].map((rank) => runRound(ranks[rank]!, 0, partOf(rank, 0)));
    // Rank 2 sends all, and dies before it has read the means.
    const stop = new AbortController();
    const dying = runRound(ranks[2]!, 0, partOf(2, 0), { signal: stop.signal });
    dying.catch(() => undefined);
    await Promise.all(others);
    stop.abort(new Error("killed"));
    await server.close();
    await startServer({ port: server.port });
    const next = [0, 1].map((rank) => runRound(ranks[rank]!, 1, partOf(rank, 1)));
    const restarted = await group.join(2, { generation: 1 });
    assertExact(3, 0, [await runRound(restarted, 0, partOf(2, 0))]);
    assertExact(3, 1, [await runRound(restarted, 1, partOf(2, 1)), ...(await Promise.all(next))]);
  });

  test("learns of a mean also from ranks that wait for scalars on another server", async () => {
    const server = await startServer();
    const group = world({ servers: [shared[0]!, server], worldSize: 2 });
    const ranks = await group.joinAll();
    const ahead = runRound(ranks[0]!, 0, partOf(0, 0));
    await runRound(ranks[1]!, 0, partOf(1, 0));
    await ahead;
    const scalars = { step: 0, weight: 1, timeoutMs: TIMEOUT_MS };
    const waiting = ranks[0]!.reduceScalars(scalars, Float64Array.of(1));
    await server.close();
    await startServer({ port: server.port });
    const restarted = await group.join(1, { generation: 1 });
    assertExact(2, 0, [await runRound(restarted, 0, partOf(1, 0))]);
    await restarted.reduceScalars(scalars, Float64Array.of(1));
    assert.equal((await waiting).weight, 2);
  });
});

describe("an error", () => {
  test("names rank, step and key of a peer that does not come", async () => {
    const { runId, joinAll } = world();
    const ranks = await joinAll();
    const present = [0, 2].map((r) => runRound(ranks[r]!, 5, partOf(r, 5), { timeoutMs: 100 }));
    for (const round of await Promise.allSettled(present)) {
      assert.ok(round.status === "rejected");
      assert.ok(coded("peer-missing", "rank 1", "step 5", runId)(round.reason));
    }
  });

  test("names server, rank and step when a server is gone for good", async () => {
    const server = await startServer();
    const ranks = await world({ servers: [server], worldSize: 2 }).joinAll();
    await runAll(ranks, 0);
    await server.close();
    for (const round of await Promise.allSettled(
      ranks.map((rank, r) => runRound(rank, 1, partOf(r, 1), { timeoutMs: 100 })),
    )) {
      assert.ok(round.status === "rejected");
      assert.ok(coded("ps-unreachable", `127.0.0.1:${server.port}`, "step 1")(round.reason));
    }
  });

  test("comes on every rank of a round without samples", async () => {
    const ranks = await world({ worldSize: 2 }).joinAll();
    const rounds = ranks.map((rank, r) => runRound(rank, 7, { ...partOf(r, 0), weight: 0 }));
    for (const round of await Promise.allSettled(rounds)) {
      assert.ok(round.status === "rejected" && coded("weight-zero", "step 7")(round.reason));
    }
  });

  test("is the reason with which a round is aborted", async () => {
    const [rank] = await world().joinAll();
    const stop = new AbortController();
    const reason = new Error("stop asked for");
    const ended = assert.rejects(runRound(rank!, 0, partOf(0, 0), { signal: stop.signal }), reason);
    await sleep(10);
    stop.abort(reason);
    await ended;
  });

  test("tells a wrong token, another configuration, and a rank that cannot be", async () => {
    const group = world();
    await group.join(0);
    await assert.rejects(group.join(1, { token: "guess" }), coded("ps-unauthorized", "127.0.0.1"));
    await assert.rejects(group.join(1, { seed: 2 }), coded("run-differs", group.runId));
    await assert.rejects(group.join(3), coded("rank-invalid", "below 3", "3"));
  });
});
