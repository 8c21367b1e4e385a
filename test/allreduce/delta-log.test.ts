// The log of updates, under random delays and restarts. Updates are whole numbers, so that sums are exact in any order.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { type DeltaLog, type DeltaLogOptions, openDeltaLog } from "../../src/allreduce/delta-log.ts";
import { SltrainError } from "../../src/errors.ts";
import { RandomStream } from "../../src/random.ts";
import { parseCodec } from "../../src/shard/codec/codecs.ts";
import { withMeter } from "../../src/storage/layers/meter.ts";
import { openStorage } from "../../src/storage/open.ts";
import type { Channel } from "../../src/storage/storage.ts";
import { collect } from "../contract/collect.ts";

const LENGTH = 64;
const STEPS = 40;
const TIMEOUT_MS = 5000;
const range = (length: number): number[] => Array.from({ length }, (_, i) => i);

function updateOf(rank: number, step: number): Float32Array {
  const random = new RandomStream(step, "update", rank);
  return Float32Array.from({ length: LENGTH }, () => random.nextInt(17) - 8);
}

function sumOfAll(worldSize: number, steps: number): number[] {
  const updates = range(worldSize).flatMap((rank) => range(steps).map((step) => updateOf(rank, step)));
  return range(LENGTH).map((i) => updates.reduce((total, update) => total + update[i]!, 0));
}

/** Every call takes up to `mostMs`. */
function slow(channel: Channel, mostMs: number, seed: number): Channel {
  const random = new RandomStream(seed, "slow");
  return {
    ...channel,
    async put(...args) {
      await setTimeout(random.nextUniform() * mostMs);
      return channel.put(...args);
    },
    async get(...args) {
      await setTimeout(random.nextUniform() * mostMs);
      return channel.get(...args);
    },
  };
}

interface Worker {
  readonly log: DeltaLog;
  readonly parameters: Float32Array;
}

type Crew = Pick<DeltaLogOptions, "runId" | "worldSize"> & Partial<DeltaLogOptions>;

async function openWorker(rank: number, channel: Channel, crew: Crew): Promise<Worker> {
  const log = await openDeltaLog({
    ...{
      channel,
      rank,
      generation: 0,
      seed: 1,
      length: LENGTH,
      codec: parseCodec("f32"),
      zstd: "auto",
      ...crew,
    },
  });
  log.begin(0);
  return { log, parameters: new Float32Array(LENGTH) };
}

async function runStep(
  { log, parameters }: Worker,
  rank: number,
  step: number,
  { staleness = Infinity, steps = STEPS } = {},
): Promise<void> {
  await log.append(updateOf(rank, step), parameters);
  const until = step + 1 === steps ? steps : step + 1 - staleness;
  await log.fold(parameters, { until, before: steps, timeoutMs: TIMEOUT_MS });
}

test("a peer that is waited for is late after a lease, and is waited for all the same", async () => {
  const channel = await openStorage("memory:delta-late");
  const told = Promise.withResolvers<readonly number[]>();
  const crew = { runId: "run", worldSize: 2, leaseMs: 15, onLate: told.resolve };
  const [waiting, late] = await Promise.all([0, 1].map((rank) => openWorker(rank, channel, crew)));
  const folded = waiting!.log.fold(waiting!.parameters, { until: 1, before: 1, timeoutMs: TIMEOUT_MS });
  assert.deepEqual(await told.promise, [1]);
  await late!.log.append(updateOf(1, 0), late!.parameters);
  await folded;
  assert.deepEqual(waiting!.parameters, updateOf(1, 0));
});

describe("delta log", () => {
  for (const worldSize of [1, 2, 7]) {
    test(`no update is lost or added twice by ${worldSize} ranks under random delays`, async () => {
      const channel = await openStorage(`memory:deltas-${worldSize}`);
      const workers = await Promise.all(
        range(worldSize).map(async (rank) => {
          const crew = { runId: "deltas", worldSize };
          const worker = await openWorker(rank, slow(channel, rank === 0 ? 3 : 1, rank), crew);
          for (const step of range(STEPS)) {
            await runStep(worker, rank, step);
            worker.log.release();
            await worker.log.sweep();
          }
          return worker;
        }),
      );
      for (const { parameters } of workers) assert.deepEqual([...parameters], sumOfAll(worldSize, STEPS));
      for (const { log } of workers) await log.sweep({ all: true });
      assert.deepEqual(await collect(channel.list("")), []);
    });
  }

  for (const staleness of [0, 1, 4]) {
    test(`no rank is more than ${staleness} steps ahead of what it has of the slowest`, async () => {
      const channel = await openStorage(`memory:staleness-${staleness}`);
      const worldSize = 3;
      let ahead = 0;
      await Promise.all(
        range(worldSize).map(async (rank) => {
          const worker = await openWorker(rank, slow(channel, 2 ** rank, rank), { runId: "s", worldSize });
          for (const step of range(STEPS)) {
            ahead = Math.max(ahead, step - Math.min(...worker.log.positions));
            await runStep(worker, rank, step, { staleness });
          }
        }),
      );
      assert.ok(ahead <= staleness, `${ahead} steps ahead`);
      // The fastest did make use of it.
      if (staleness > 0) assert.ok(ahead > 0);
    });
  }

  test("a rank that starts anew from an earlier state takes its own updates as its peers saw them", async () => {
    const channel = await openStorage("memory:restart");
    const crew = { runId: "restart", worldSize: 3 };
    const workers = await Promise.all(range(3).map((rank) => openWorker(rank, channel, crew)));
    for (const step of range(10)) {
      for (const rank of range(3)) await runStep(workers[rank]!, rank, step);
    }
    const saved = structuredClone({ state: workers[1]!.log.state, parameters: workers[1]!.parameters });
    workers[1]!.log.release();
    for (const step of [10, 11, 12]) for (const rank of range(3)) await runStep(workers[rank]!, rank, step);

    const again = await openWorker(1, channel, { ...crew, generation: 1 });
    again.log.restore(saved.state);
    again.parameters.set(saved.parameters);
    workers[1] = again;
    // It computes other updates than before, for it has not seen the same.
    for (const _ of range(3)) await again.log.append(updateOf(1, 99), again.parameters);
    await Promise.all(
      range(3).map(async (rank) => {
        for (let step = 13; step < STEPS; step++) await runStep(workers[rank]!, rank, step);
      }),
    );
    for (const { parameters } of workers) assert.deepEqual([...parameters], sumOfAll(3, STEPS));
  });

  test("updates of few features travel as few, whole ones as they are, and a repeated one is what it was", async () => {
    const length = 1 << 14;
    const meter = withMeter(await openStorage("memory:deltas-sparse"));
    const crew = { runId: "sparse", worldSize: 2, length };
    const open = async (rank: number): Promise<Worker> => {
      const { log } = await openWorker(rank, meter, crew);
      return { log, parameters: new Float32Array(length) };
    };
    const few = (rank: number) =>
      Float32Array.from({ length }, (_, i) => (i % 512 === rank ? (rank + 1) * i : 0));
    const whole = new Float32Array(length).fill(1);
    const ranks = await Promise.all([0, 1].map(open));
    const bytesUp: number[] = [];
    for (const [step, updateOf] of [few, () => whole].entries()) {
      const before = meter.reading.bytesUp;
      for (const [rank, { log, parameters }] of ranks.entries()) await log.append(updateOf(rank), parameters);
      bytesUp.push(meter.reading.bytesUp - before);
      for (const { log, parameters } of ranks)
        await log.fold(parameters, { until: step + 1, before: step + 1, timeoutMs: TIMEOUT_MS });
    }
    const sums = whole.map((_, i) => few(0)[i]! + few(1)[i]! + 2);
    for (const { parameters } of ranks) assert.deepEqual(parameters, sums);
    // 32 values of 4 bytes with gaps of 2, and a header.
    assert.ok(bytesUp[0]! < 2 * (32 * 6 + 200), `${bytesUp[0]} bytes`);
    assert.ok(bytesUp[1]! > 2 * 4 * length, `${bytesUp[1]} bytes`);

    const again = await open(0);
    await again.log.append(whole, again.parameters);
    assert.deepEqual(again.parameters, few(0));
  });

  test("what a peer has not let go of is kept, however far the others are", async () => {
    const channel = await openStorage("memory:kept");
    const crew = { runId: "kept", worldSize: 2 };
    const [fast, late] = await Promise.all([openWorker(0, channel, crew), openWorker(1, channel, crew)]);
    for (const step of range(STEPS - 1)) {
      await runStep(fast, 0, step);
      fast.log.release();
      await fast.log.sweep();
    }
    assert.equal((await collect(channel.list(""))).length, STEPS - 1);
    await late.log.fold(late.parameters, { until: STEPS - 1, before: STEPS, timeoutMs: TIMEOUT_MS });
    late.log.release();
    await late.log.append(updateOf(1, 0), late.parameters);
    await runStep(fast, 0, STEPS - 1, { steps: STEPS + 1 });
    await fast.log.sweep();
    // The newest of the fast one, and the one of the late one.
    assert.equal((await collect(channel.list(""))).length, 2);
  });

  test("with a codec that loses something, what every rank adds is what was written, and the rest is owed", async () => {
    const channel = await openStorage("memory:lossy");
    const crew = { runId: "lossy", worldSize: 2, codec: parseCodec("top-k:10%") };
    const workers = await Promise.all(range(2).map((rank) => openWorker(rank, channel, crew)));
    await Promise.all(
      range(2).map(async (rank) => {
        for (const step of range(STEPS)) await runStep(workers[rank]!, rank, step);
      }),
    );
    assert.deepEqual(workers[0]!.parameters, workers[1]!.parameters);
    const owed = workers.map(({ log }) => log.state.residual!);
    const everything = workers[0]!.parameters.map((value, i) => value + owed[0]![i]! + owed[1]![i]!);
    assert.deepEqual([...everything], sumOfAll(2, STEPS));
  });

  test("a peer that does not come is named with its rank", async () => {
    const channel = await openStorage("memory:missing-delta");
    const worker = await openWorker(0, channel, { runId: "missing", worldSize: 2 });
    await worker.log.append(updateOf(0, 0), worker.parameters);
    await assert.rejects(
      worker.log.fold(worker.parameters, { until: 1, before: 2, timeoutMs: 50 }),
      (error) =>
        error instanceof SltrainError && error.code === "peer-missing" && /rank 1/.test(error.message),
    );
  });

  test("a wait for a peer ends with the reason of its signal", async () => {
    const channel = await openStorage("memory:fenced-delta");
    const worker = await openWorker(0, channel, { runId: "fenced", worldSize: 2 });
    await worker.log.append(updateOf(0, 0), worker.parameters);
    const fence = new AbortController();
    const options = { until: 1, before: 2, timeoutMs: TIMEOUT_MS, signal: fence.signal };
    const folded = worker.log.fold(worker.parameters, options);
    const reason = new Error("another crew acts");
    fence.abort(reason);
    await assert.rejects(folded, (error) => error === reason);
  });

  test("a channel without conditional puts is refused", async () => {
    const storage = await openStorage("memory:unconditional");
    const channel = { ...storage, capabilities: { ...storage.capabilities, conditionalPut: false } };
    await assert.rejects(openWorker(0, channel, { runId: "u", worldSize: 2 }), {
      code: "storage-unsupported",
    });
  });
});
