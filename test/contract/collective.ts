// What every collective promises, tried with 1, 2, 3 and 8 ranks in one process over one storage.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import type { Collective, RoundResult } from "../../src/allreduce/collective.ts";
import { frameKey, framePrefix } from "../../src/allreduce/keys.ts";
import { SltrainError } from "../../src/errors.ts";
import { RandomStream } from "../../src/random.ts";
import { chunkGrid } from "../../src/shard/buckets.ts";
import type { Bucket, Layout } from "../../src/shard/layout.ts";
import { withMeter } from "../../src/storage/layers/meter.ts";
import type { Channel, Storage } from "../../src/storage/storage.ts";
import { collect } from "./collect.ts";

export interface CollectiveOptions {
  readonly channel: Channel;
  readonly runId: string;
  readonly rank: number;
  readonly worldSize: number;
  readonly generation: number;
  readonly buckets: readonly Bucket[];
}

export interface CollectiveImplementation {
  readonly name: string;
  open(options: CollectiveOptions): Promise<Collective>;
  /** Puts and gets (without polls that came too early) of all ranks in one round. */
  traffic(worldSize: number, buckets: readonly Bucket[]): { readonly puts: number; readonly gets: number };
}

const layout: Layout = {
  entries: [
    { name: "filter", shape: [5, 6, 5], offset: 0, length: 150 },
    { name: "bias", shape: [6], offset: 192, length: 6 },
    { name: "weights", shape: [2000], offset: 256, length: 2000 },
    { name: "last", shape: [10], offset: 2304, length: 10 },
  ],
  length: 2368,
};
/** Buckets of 64, 2048, 64 and 192 values. */
const gridOf = (worldSize: number): readonly Bucket[] => chunkGrid(layout, { bucketBytes: 256, worldSize });
const TIMEOUT_MS = 5000;

/** One rank's part of one round; the weight is what its sums stand for. */
interface Part {
  readonly sums: Float32Array;
  readonly weight: number;
  readonly scalars: Float64Array;
}

interface Outcome {
  readonly result: RoundResult;
  readonly mean: Float32Array;
}

function partOf(rank: number, step: number, salt = 0): Part {
  const random = new RandomStream(salt, "part", step * 1000 + rank);
  const weight = rank > 0 && (rank * 7 + step) % 4 === 3 ? 0 : 1 + random.nextInt(64);
  return {
    // Sums without samples are zeros.
    sums: Float32Array.from({ length: layout.length }, () =>
      weight === 0 ? 0 : random.nextNormal() * 10 ** random.nextInt(4),
    ),
    weight,
    scalars: Float64Array.of(random.nextNormal(), rank, 1),
  };
}

const range = (length: number): number[] => Array.from({ length }, (_, i) => i);
const weightOf = (parts: readonly Part[]): number => parts.reduce((total, { weight }) => total + weight, 0);

/** Runs one rank's round; `pause` delays each push. */
async function runRound(
  collective: Collective,
  buckets: readonly Bucket[],
  step: number,
  part: Part,
  { pause = () => Promise.resolve(), timeoutMs = TIMEOUT_MS, signal }: RunOptions = {},
): Promise<Outcome> {
  const { weight, scalars } = part;
  const round = collective.begin({ step, weight, timeoutMs, ...(signal === undefined ? {} : { signal }) });
  const scratch = Float32Array.from(part.sums);
  for (const [i, { begin, end }] of buckets.entries()) {
    await pause();
    round.push(i, scratch.subarray(begin, end));
    scratch.fill(NaN, begin, end); // the caller may do what it likes with it
  }
  await pause();
  const mean = new Float32Array(layout.length);
  return { result: await round.finish(scalars, mean), mean };
}

interface RunOptions {
  readonly pause?: () => Promise<unknown>;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

function assertOracle(parts: readonly Part[], { result, mean }: Outcome): void {
  const weight = weightOf(parts);
  assert.equal(result.weight, weight);
  for (const [i, got] of mean.entries()) {
    const want = parts.reduce((total, { sums }) => total + sums[i]!, 0) / weight;
    assert.ok(
      Math.abs(got - want) <= 1e-7 * Math.max(...parts.map(({ sums }) => Math.abs(sums[i]!)), 1e-30),
      `element ${i}: ${got}, not ${want}`,
    );
  }
  range(3).forEach((i) => {
    const want = parts.reduce((total, { scalars }) => total + scalars[i]!, 0);
    assert.equal(result.scalars[i], want);
  });
}

function assertSameBits(outcomes: readonly Outcome[]): void {
  const bits = ({ mean, result }: Outcome) =>
    Buffer.concat([
      Buffer.from(mean.buffer),
      Buffer.from(Float64Array.of(result.weight, ...result.scalars).buffer),
    ]);
  for (const outcome of outcomes) assert.equal(Buffer.compare(bits(outcome), bits(outcomes[0]!)), 0);
}

const coded =
  (code: string, ...words: string[]) =>
  (error: unknown) => {
    assert.ok(error instanceof SltrainError, String(error));
    assert.equal(error.code, code, error.message);
    for (const word of words)
      assert.ok(error.message.includes(word), `${error.message} does not name ${word}`);
    return true;
  };

/** A channel that overwrites nothing but repeats every put, as a client does whose first answer was lost. */
function repeatingPuts(channel: Channel): Channel {
  return {
    ...channel,
    async put(key, parts, options) {
      await channel.put(key, parts, options);
      return channel.put(key, parts, options);
    },
  };
}

/** A channel whose every call takes a random time of up to `mostMs`. */
function slow(channel: Channel, mostMs: number, seed: number): Channel {
  const random = new RandomStream(seed, "slow");
  const pause = () => setTimeout(random.nextUniform() * mostMs);
  return {
    ...channel,
    async put(key, parts, options) {
      const copies = parts.map((part) => Uint8Array.from(part));
      await pause();
      return channel.put(key, copies, options);
    },
    async get(ref, into) {
      await pause();
      return channel.get(ref, into);
    },
  };
}

/** `openStorage(name)` gives an empty storage for each name. */
export function collectiveContract(
  implementation: CollectiveImplementation,
  storageName: string,
  openStorage: (name: string) => Promise<Storage>,
): void {
  const { name } = implementation;
  let runs = 0;
  const world = async (
    worldSize: number,
    wrap: (channel: Channel, rank: number) => Channel = (channel) => channel,
  ) => {
    const runId = `run-${runs++}`;
    const storage = await openStorage("all");
    const buckets = gridOf(worldSize);
    const join = (rank: number, generation = 0, channel = wrap(storage, rank)) =>
      implementation.open({ channel, runId, rank, worldSize, generation, buckets });
    return {
      runId,
      storage,
      buckets,
      worldSize,
      join,
      ranks: await Promise.all(range(worldSize).map((rank) => join(rank))),
    };
  };
  type World = Awaited<ReturnType<typeof world>>;
  const runAll = ({ ranks, buckets }: World, step: number, options?: RunOptions): Promise<Outcome[]> =>
    Promise.all(ranks.map((rank, r) => runRound(rank, buckets, step, partOf(r, step), options)));
  const partsOf = ({ worldSize }: World, step: number): Part[] =>
    range(worldSize).map((rank) => partOf(rank, step));

  describe(`collective contract: ${name} over ${storageName}`, () => {
    for (const worldSize of [1, 2, 3, 8]) {
      test(`${worldSize} ranks get the weighted mean and the summed scalars, bit-identical, round after round`, async () => {
        const group = await world(worldSize);
        for (const step of range(4)) {
          const outcomes = await runAll(group, step);
          outcomes.forEach((outcome) => assertOracle(partsOf(group, step), outcome));
          assertSameBits(outcomes);
        }
      });

      test(`the requests of ${worldSize} ranks are those of the traffic model`, async () => {
        const meters: ReturnType<typeof withMeter>[] = [];
        const group = await world(worldSize, (channel) => (meters.push(withMeter(channel)), meters.at(-1)!));
        await runAll(group, 0);
        const total = (kind: "puts" | "gets") => meters.reduce((sum, { reading }) => sum + reading[kind], 0);
        const predicted = implementation.traffic(worldSize, group.buckets);
        assert.deepEqual(
          { puts: total("puts"), gets: total("gets") },
          { puts: predicted.puts, gets: predicted.gets },
        );
        const { stats } = group.ranks[0]!;
        assert.deepEqual(
          [stats.bytesUp, stats.bytesDown],
          [meters[0]!.reading.bytesUp, meters[0]!.reading.bytesDown],
        );
      });
    }

    test("the timing of pushes, puts and gets does not change a bit", async () => {
      const parts = range(3).map((rank) => partOf(rank, 0));
      const outcomes: Outcome[] = [];
      for (const seed of range(4)) {
        const random = new RandomStream(seed, "pause");
        const group = await world(3, (channel, rank) => slow(channel, 3, seed * 10 + rank));
        outcomes.push(...(await runAll(group, 0, { pause: () => setTimeout(random.nextUniform() * 8) })));
      }
      assertOracle(parts, outcomes[0]!);
      assertSameBits(outcomes);
    });

    test("buckets may be pushed in any order, and from shared memory", async () => {
      const group = await world(2);
      const outcomes = group.ranks.map(async (rank, r) => {
        const { sums, weight, scalars } = partOf(r, 0);
        const shared = new Float32Array(new SharedArrayBuffer(layout.length * 4));
        shared.set(sums);
        const round = rank.begin({ step: 0, weight, timeoutMs: TIMEOUT_MS });
        for (const i of r === 0 ? [3, 0, 2, 1] : [1, 2, 0, 3]) {
          round.push(i, shared.subarray(group.buckets[i]!.begin, group.buckets[i]!.end));
        }
        const mean = new Float32Array(new SharedArrayBuffer(layout.length * 4));
        return { result: await round.finish(scalars, mean), mean: Float32Array.from(mean) };
      });
      assertOracle(partsOf(group, 0), (await Promise.all(outcomes))[1]!);
    });

    test("any put repeated changes nothing", async () => {
      const group = await world(3, repeatingPuts);
      for (const step of range(3)) {
        const outcomes = await runAll(group, step);
        assertOracle(partsOf(group, step), outcomes[0]!);
        assertSameBits(outcomes);
      }
    });

    for (const twin of [0, 2]) {
      test(`a second worker of rank ${twin} with other sums leaves all with the same bits`, async () => {
        const group = await world(3);
        const double = await group.join(twin);
        for (const step of range(3)) {
          const twinFirst = step % 2 === 0;
          const late = () => setTimeout(10);
          const doubled = runRound(
            double,
            group.buckets,
            step,
            partOf(twin, step, 1),
            twinFirst ? {} : { pause: late },
          );
          const outcomes = await runAll(group, step, twinFirst ? { pause: late } : {});
          assertSameBits([...outcomes, await doubled]);
        }
      });
    }

    test("a second worker that comes after the round gets its result and changes nothing", async () => {
      const group = await world(3);
      const outcomes = await runAll(group, 0);
      const keys = await collect(group.storage.list(framePrefix(group.runId)));
      const read = () => Promise.all(keys.map((key) => group.storage.get({ key })));
      const before = await read();
      for (const rank of range(3)) {
        const second = await runRound(await group.join(rank), group.buckets, 0, partOf(rank, 0, 1));
        assertSameBits([...outcomes, second]);
      }
      assert.deepEqual(await read(), before);
      assert.deepEqual(await collect(group.storage.list(framePrefix(group.runId))), keys);
    });

    test("a rank killed in mid-round and started anew ends it with the same bits", async () => {
      for (const pushes of range(5)) {
        const group = await world(3);
        const [, ...others] = group.ranks;
        const stop = new AbortController();
        const { sums, weight } = partOf(0, 0);
        const dying = group.ranks[0]!.begin({ step: 0, weight, timeoutMs: TIMEOUT_MS, signal: stop.signal });
        group.buckets
          .slice(0, pushes)
          .forEach(({ begin, end }, i) => dying.push(i, sums.subarray(begin, end)));
        await setTimeout(pushes);
        stop.abort(new Error("killed"));
        const alive = others.map((rank, i) => runRound(rank, group.buckets, 0, partOf(i + 1, 0)));
        const restarted = await runRound(await group.join(0, 1), group.buckets, 0, partOf(0, 0));
        const outcomes = [restarted, ...(await Promise.all(alive))];
        assertOracle(partsOf(group, 0), restarted);
        assertSameBits(outcomes);
      }
    });

    test("a rank started anew replays rounds whose sums have been swept", async () => {
      const group = await world(3);
      const outcomes: Outcome[] = [];
      for (const step of range(5)) {
        outcomes.push((await runAll(group, step))[1]!);
        await Promise.all(group.ranks.map((rank) => rank.sweep(step + 1, 0)));
      }
      const restarted = await group.join(1, 1);
      for (const step of range(4).map((i) => i + 1)) {
        assertSameBits([outcomes[step]!, await runRound(restarted, group.buckets, step, partOf(1, step, 9))]);
      }
    });

    test("sweeping never removes what a slower peer still needs, and leaves a bounded number of frames", async () => {
      const group = await world(3);
      const counts: number[] = [];
      const perRank = group.ranks.map(async (rank, r) => {
        const random = new RandomStream(r, "sweeping");
        const outcomes: Outcome[] = [];
        for (const step of range(12)) {
          await rank.sweep(step, step - 1);
          outcomes.push(
            await runRound(rank, group.buckets, step, partOf(r, step), {
              pause: () => setTimeout(random.nextUniform() * r * 2),
            }),
          );
          await rank.reduceScalars({ step, weight: 1, timeoutMs: TIMEOUT_MS }, Float64Array.of(r));
          if (r === 0) counts.push((await collect(group.storage.list(framePrefix(group.runId)))).length);
        }
        return outcomes;
      });
      const outcomes = await Promise.all(perRank);
      for (const step of range(12)) assertSameBits(outcomes.map((rank) => rank[step]!));
      const perStep =
        implementation.traffic(3, group.buckets).puts +
        implementation.traffic(3, [{ begin: 0, end: 0, chunks: [{ begin: 0, end: 0, owner: 0 }] }]).puts;
      assert.ok(Math.max(...counts) <= 4 * perStep, `${counts.join(", ")} frames, ${perStep} a step`);
    });

    test("means stay until their step is durable", async () => {
      const group = await world(2);
      for (const step of range(4)) await runAll(group, step);
      const stagesLeft = async () => {
        const keys = await collect(group.storage.list(framePrefix(group.runId)));
        return keys
          .map((key) => key.slice(framePrefix(group.runId).length).split("-")[0])
          .filter((stage, i, all) => all.indexOf(stage) === i);
      };
      await Promise.all(group.ranks.map((rank) => rank.sweep(4, -1)));
      assert.deepEqual(await stagesLeft(), ["mean/0", "mean/1", "mean/2", "mean/3", "sum/3"]);
      await Promise.all(group.ranks.map((rank) => rank.sweep(4, 1)));
      assert.deepEqual(await stagesLeft(), ["mean/2", "mean/3", "sum/3"]);
    });

    for (const worldSize of [1, 2, 8]) {
      test(`${worldSize} ranks add scalars alone, apart from the rounds of the same number`, async () => {
        const group = await world(worldSize);
        await runAll(group, 0);
        const results = await Promise.all(
          group.ranks.map((rank, r) =>
            rank.reduceScalars({ step: 0, weight: r, timeoutMs: TIMEOUT_MS }, Float64Array.of(r + 0.5, 1)),
          ),
        );
        const sumOfRanks = (worldSize * (worldSize - 1)) / 2;
        for (const { weight, scalars } of results) {
          assert.equal(weight, sumOfRanks);
          assert.deepEqual([...scalars], [sumOfRanks + worldSize / 2, worldSize]);
        }
      });
    }

    test("a round without samples is an error on every rank", async () => {
      const group = await world(2);
      const rounds = group.ranks.map((rank, r) =>
        runRound(rank, group.buckets, 7, { ...partOf(r, 0), weight: 0 }),
      );
      for (const round of await Promise.allSettled(rounds)) {
        assert.ok(round.status === "rejected" && coded("weight-zero", "step 7")(round.reason));
      }
    });

    const damages: readonly (readonly [
      what: string,
      code: string,
      change: (bytes: Uint8Array) => Uint8Array,
    ])[] = [
      ["flipped bit", "frame-damaged", (bytes) => bytes.with(bytes.length - 3, bytes.at(-3)! ^ 4)],
      ["cut end", "frame-damaged", (bytes) => bytes.subarray(0, -1)],
      ["cut header", "frame-damaged", (bytes) => bytes.subarray(0, 30)],
      ["added byte", "frame-damaged", (bytes) => Buffer.concat([bytes, Uint8Array.of(0)])],
    ];
    for (const stage of ["sum", "mean"] as const) {
      for (const [what, code, change] of damages) {
        test(`a ${stage} with a ${what} is an error that names the key`, async () => {
          const source = await world(2);
          await runAll(source, 0);
          // Rank 0 owns chunk 0 of the first bucket; its peer's sum or, for its peer, its mean is damaged in a copy.
          const address = { stage, step: 0, bucket: 1, chunk: stage === "sum" ? 1 : 0, rank: 1 };
          const bytes = await source.storage.get({ key: frameKey(source.runId, address) });
          assert.ok(bytes !== undefined);
          await source.storage.put(frameKey(source.runId, address), [change(bytes)]);
          await assert.rejects(
            runRound(await source.join(0), source.buckets, 0, partOf(0, 0)),
            coded(code, frameKey(source.runId, address)),
          );
        });
      }

      test(`a ${stage} of another step is an error that names the key and both steps`, async () => {
        const group = await world(2);
        await runAll(group, 0);
        const address = { stage, step: 0, bucket: 1, chunk: stage === "sum" ? 1 : 0, rank: 1 };
        const bytes = await group.storage.get({ key: frameKey(group.runId, address) });
        const key = frameKey(group.runId, { ...address, step: 3 });
        await group.storage.put(key, [bytes!]);
        await assert.rejects(
          Promise.all(
            group.ranks.map((rank, r) => runRound(rank, group.buckets, 3, partOf(r, 3), { timeoutMs: 300 })),
          ),
          coded("frame-foreign", key, "step 3", "got 0"),
        );
      });
    }

    test("a missing peer times out with its rank, the step and the key", async () => {
      const group = await world(3);
      const present = [0, 2].map((r) =>
        runRound(group.ranks[r]!, group.buckets, 5, partOf(r, 5), { timeoutMs: 60 }),
      );
      for (const round of await Promise.allSettled(present)) {
        assert.ok(round.status === "rejected");
        assert.ok(coded("peer-missing", "rank 1", "step 5", "60 ms", framePrefix(group.runId))(round.reason));
      }
    });

    test("an abort ends the round with its reason", async () => {
      const group = await world(2);
      const stop = new AbortController();
      const reason = new Error("stop asked for");
      const round = runRound(group.ranks[0]!, group.buckets, 0, partOf(0, 0), { signal: stop.signal });
      const ended = assert.rejects(round, reason);
      await setTimeout(10);
      stop.abort(reason);
      await ended;
    });

    test("runs in one storage do not see each other", async () => {
      const storage = await openStorage("all");
      const buckets = gridOf(2);
      const parts = [range(2).map((rank) => partOf(rank, 0, 0)), range(2).map((rank) => partOf(rank, 0, 1))];
      const outcomes = await Promise.all(
        ["apart-1", "apart-2"].map(async (runId, run) =>
          Promise.all(
            range(2).map(async (rank) => {
              const collective = await implementation.open({
                channel: storage,
                runId,
                rank,
                worldSize: 2,
                generation: 0,
                buckets,
              });
              return runRound(collective, buckets, 0, parts[run]![rank]!);
            }),
          ),
        ),
      );
      outcomes.forEach((outcome, run) => assertOracle(parts[run]!, outcome[0]!));
    });

    test("time is divided into exchange and waiting", async () => {
      const group = await world(2);
      const late = runRound(group.ranks[0]!, group.buckets, 0, partOf(0, 0), { pause: () => setTimeout(15) });
      await Promise.all([late, runRound(group.ranks[1]!, group.buckets, 0, partOf(1, 0))]);
      const { exchangeMs, waitMs } = group.ranks[1]!.stats;
      assert.ok(exchangeMs > 0 && waitMs > 0);
    });
  });
}
