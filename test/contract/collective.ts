// What every collective promises, tried with 1, 2, 3 and 8 ranks in one process over one storage.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import type { Collective, RoundResult } from "../../src/allreduce/collective.ts";
import { frameKey, framePrefixes, type ObjectAddress } from "../../src/allreduce/keys.ts";
import type { LaneOptions } from "../../src/allreduce/lane.ts";
import { traffic } from "../../src/allreduce/traffic.ts";
import { SltrainError } from "../../src/errors.ts";
import { RandomStream } from "../../src/random.ts";
import type { Layout } from "../../src/shard/layout.ts";
import { withMeter } from "../../src/storage/layers/meter.ts";
import type { Channel, Storage } from "../../src/storage/storage.ts";
import { collect } from "./collect.ts";

export interface CollectiveOptions {
  readonly channel: Channel;
  readonly runId: string;
  readonly rank: number;
  readonly worldSize: number;
  readonly generation: number;
  readonly layout: Layout;
  readonly bucketBytes: number;
}

export interface CollectiveImplementation {
  readonly name: string;
  open(options: CollectiveOptions): Promise<Collective>;
  /** How gradients and the scalars of epochs are exchanged. */
  lanes(
    grid: Pick<CollectiveOptions, "layout" | "bucketBytes">,
  ): Readonly<Record<"gradients" | "scalars", LaneOptions>>;
  /** The largest error of a mean, relative to the largest sum behind it. */
  readonly tolerance?: number;
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
const grid = { layout, bucketBytes: 256 };
const whole = { begin: 0, end: layout.length };
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

/** Runs one rank's round; `pause` delays each push. The mean takes the place of the sums. */
async function runRound(
  collective: Collective,
  step: number,
  part: Part,
  { pause = () => Promise.resolve(), timeoutMs = TIMEOUT_MS, signal }: RunOptions = {},
): Promise<Outcome> {
  const { weight, scalars } = part;
  const round = collective.begin({ step, weight, timeoutMs, ...(signal === undefined ? {} : { signal }) });
  const vector = Float32Array.from(part.sums);
  for (const [i, { begin, end }] of collective.buckets.entries()) {
    await pause();
    round.push(i, vector.subarray(begin, end));
  }
  await pause();
  return { result: await round.finish(scalars, vector), mean: vector };
}

interface RunOptions {
  readonly pause?: () => Promise<unknown>;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

function assertOracle(parts: readonly Part[], { result, mean }: Outcome, tolerance = 1e-7): void {
  const weight = weightOf(parts);
  assert.equal(result.weight, weight);
  for (const [i, got] of mean.entries()) {
    const want = parts.reduce((total, { sums }) => total + sums[i]!, 0) / weight;
    assert.ok(
      Math.abs(got - want) <= tolerance * Math.max(...parts.map(({ sums }) => Math.abs(sums[i]!)), 1e-30),
      `element ${i}: ${got}, not ${want}`,
    );
  }
  range(3).forEach((i) => {
    const want = parts.reduce((total, { scalars }) => total + scalars[i]!, 0);
    // Patterns differ in the order in which they add.
    assert.ok(Math.abs(result.scalars[i]! - want) <= 1e-12 * Math.max(1, Math.abs(want)));
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
  const lanes = implementation.lanes(grid);
  const checked = (parts: readonly Part[], outcome: Outcome) =>
    assertOracle(parts, outcome, implementation.tolerance);
  const keysOf = async ({ storage, runId }: { storage: Storage; runId: string }): Promise<string[]> =>
    (await Promise.all(framePrefixes(runId).map((prefix) => collect(storage.list(prefix))))).flat();
  let runs = 0;
  const world = async (
    worldSize: number,
    wrap: (channel: Channel, rank: number) => Channel = (channel) => channel,
  ) => {
    const runId = `run-${runs++}`;
    const storage = await openStorage("all");
    const join = (rank: number, generation = 0, channel = wrap(storage, rank)) =>
      implementation.open({ channel, runId, rank, worldSize, generation, ...grid });
    return {
      runId,
      storage,
      worldSize,
      join,
      ranks: await Promise.all(range(worldSize).map((rank) => join(rank))),
    };
  };
  type World = Awaited<ReturnType<typeof world>>;
  const runAll = ({ ranks }: World, step: number, options?: RunOptions): Promise<Outcome[]> =>
    Promise.all(ranks.map((rank, r) => runRound(rank, step, partOf(r, step), options)));
  const partsOf = ({ worldSize }: World, step: number): Part[] =>
    range(worldSize).map((rank) => partOf(rank, step));

  describe(`collective contract: ${name} over ${storageName}`, () => {
    for (const worldSize of [1, 2, 3, 8]) {
      test(`${worldSize} ranks get the weighted mean and the summed scalars, bit-identical, round after round`, async () => {
        const group = await world(worldSize);
        for (const step of range(4)) {
          const outcomes = await runAll(group, step);
          outcomes.forEach((outcome) => checked(partsOf(group, step), outcome));
          assertSameBits(outcomes);
        }
      });

      test(`the requests of ${worldSize} ranks are those of the traffic model`, async () => {
        const meters: ReturnType<typeof withMeter>[] = [];
        const group = await world(worldSize, (channel) => (meters.push(withMeter(channel)), meters.at(-1)!));
        await runAll(group, 0);
        const total = (kind: "puts" | "gets") => meters.reduce((sum, { reading }) => sum + reading[kind], 0);
        const predicted = traffic({ worldSize, ...lanes.gradients });
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
      checked(parts, outcomes[0]!);
      assertSameBits(outcomes);
    });

    test("buckets may be pushed in any order, and from shared memory", async () => {
      const group = await world(2);
      const outcomes = group.ranks.map(async (rank, r) => {
        const { sums, weight, scalars } = partOf(r, 0);
        const shared = new Float32Array(new SharedArrayBuffer(layout.length * 4));
        shared.set(sums);
        const round = rank.begin({ step: 0, weight, timeoutMs: TIMEOUT_MS });
        const order = (r === 0 ? [3, 0, 2, 1] : [1, 2, 0, 3]).filter((i) => i < rank.buckets.length);
        for (const i of order) round.push(i, shared.subarray(rank.buckets[i]!.begin, rank.buckets[i]!.end));
        const mean = new Float32Array(new SharedArrayBuffer(layout.length * 4));
        return { result: await round.finish(scalars, mean), mean: Float32Array.from(mean) };
      });
      checked(partsOf(group, 0), (await Promise.all(outcomes))[1]!);
    });

    test("any put repeated changes nothing", async () => {
      const group = await world(3, repeatingPuts);
      for (const step of range(3)) {
        const outcomes = await runAll(group, step);
        checked(partsOf(group, step), outcomes[0]!);
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
          const doubled = runRound(double, step, partOf(twin, step, 1), twinFirst ? {} : { pause: late });
          const outcomes = await runAll(group, step, twinFirst ? { pause: late } : {});
          assertSameBits([...outcomes, await doubled]);
        }
      });
    }

    test("a second worker that comes after the round gets its result and changes nothing", async () => {
      const group = await world(3);
      const outcomes = await runAll(group, 0);
      const keys = await keysOf(group);
      const read = () => Promise.all(keys.map((key) => group.storage.get({ key })));
      const before = await read();
      for (const rank of range(3)) {
        const second = await runRound(await group.join(rank), 0, partOf(rank, 0, 1));
        assertSameBits([...outcomes, second]);
      }
      assert.deepEqual(await read(), before);
      assert.deepEqual(await keysOf(group), keys);
    });

    test("a rank killed in mid-round and started anew ends it with the same bits", async () => {
      for (const pushes of range(5)) {
        const group = await world(3);
        const [, ...others] = group.ranks;
        const stop = new AbortController();
        const { sums, weight } = partOf(0, 0);
        const dying = group.ranks[0]!.begin({ step: 0, weight, timeoutMs: TIMEOUT_MS, signal: stop.signal });
        group.ranks[0]!.buckets.slice(0, pushes).forEach(({ begin, end }, i) =>
          dying.push(i, sums.subarray(begin, end)),
        );
        await setTimeout(pushes);
        stop.abort(new Error("killed"));
        const alive = others.map((rank, i) => runRound(rank, 0, partOf(i + 1, 0)));
        const restarted = await runRound(await group.join(0, 1), 0, partOf(0, 0));
        const outcomes = [restarted, ...(await Promise.all(alive))];
        checked(partsOf(group, 0), restarted);
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
        assertSameBits([outcomes[step]!, await runRound(restarted, step, partOf(1, step, 9))]);
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
            await runRound(rank, step, partOf(r, step), {
              pause: () => setTimeout(random.nextUniform() * r * 2),
            }),
          );
          await rank.reduceScalars({ step, weight: 1, timeoutMs: TIMEOUT_MS }, Float64Array.of(r));
          if (r === 0) counts.push((await keysOf(group)).length);
        }
        return outcomes;
      });
      const outcomes = await Promise.all(perRank);
      for (const step of range(12)) assertSameBits(outcomes.map((rank) => rank[step]!));
      const perStep =
        traffic({ worldSize: 3, ...lanes.gradients }).puts + traffic({ worldSize: 3, ...lanes.scalars }).puts;
      assert.ok(Math.max(...counts) <= 4 * perStep, `${counts.join(", ")} frames, ${perStep} a step`);
    });

    test("means stay until their step is durable", async () => {
      const group = await world(2);
      for (const step of range(4)) await runAll(group, step);
      const left = async () => {
        const kinds = (await keysOf(group)).map((key) => {
          const [, step, level] = key.split("/").at(-1)!.split("-").map(Number);
          return `${level! < lanes.gradients.reduce.plan(whole, 2, 0).levels ? "parts" : "means"} of ${step}`;
        });
        return [...new Set(kinds)].sort();
      };
      const sweep = (durableStep: number) =>
        Promise.all(group.ranks.map((rank) => rank.sweep(4, durableStep)));
      const parts = lanes.gradients.codec.biased ? ["parts of 0", "parts of 1", "parts of 2"] : [];
      await sweep(-1);
      const means = ["means of 0", "means of 1", "means of 2", "means of 3"];
      assert.deepEqual(await left(), [...means, ...parts, "parts of 3"]);
      await sweep(1);
      assert.deepEqual(await left(), [...means.slice(2), ...parts.slice(2), "parts of 3"]);
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
      const rounds = group.ranks.map((rank, r) => runRound(rank, 7, { ...partOf(r, 0), weight: 0 }));
      for (const round of await Promise.allSettled(rounds)) {
        assert.ok(round.status === "rejected" && coded("weight-zero", "step 7")(round.reason));
      }
    });

    const damages: readonly (readonly [
      what: string,
      code: string,
      change: (bytes: Uint8Array) => Uint8Array,
    ])[] = [
      ["flipped bit in its head", "frame-damaged", (bytes) => bytes.with(70, bytes[70]! ^ 4)],
      ["flipped bit", "frame-damaged", (bytes) => bytes.with(bytes.length - 3, bytes.at(-3)! ^ 4)],
      ["cut end", "frame-damaged", (bytes) => bytes.subarray(0, -1)],
      ["cut header", "frame-damaged", (bytes) => bytes.subarray(0, 30)],
      ["added byte", "frame-damaged", (bytes) => Buffer.concat([bytes, Uint8Array.of(0)])],
    ];
    /** An object that one rank of two reads of the other, in the longest bucket. */
    const readObject = (stage: "sum" | "mean", step: number): { reader: number; address: ObjectAddress } => {
      const { buckets, reduce, packed } = lanes.gradients;
      const bucket = buckets.length > 1 ? 1 : 0;
      const plan = reduce.plan(buckets[bucket]!, 2, bucket);
      const common = { lane: 0, step, bucket };
      if (stage === "mean") {
        const rank = plan.means[0]!.owner;
        return { reader: 1 - rank, address: { ...common, level: plan.levels, piece: 0, rank } };
      }
      const published = range(plan.levels).flatMap((level) => range(2).map((rank) => ({ level, rank })));
      const { level, rank } = published.find((one) => plan.published(one.level, one.rank).length > 0)!;
      return { reader: 1 - rank, address: { ...common, level, ...(packed ? {} : { piece: 0 }), rank } };
    };
    for (const stage of ["sum", "mean"] as const) {
      // What is behind the frames in their slots is never read.
      const visible = lanes.gradients.packed && stage === "sum" ? damages.slice(0, 1) : damages;
      for (const [what, code, change] of visible) {
        test(`a ${stage} with a ${what} is an error that names the key`, async () => {
          const source = await world(2);
          await runAll(source, 0);
          const { reader, address } = readObject(stage, 0);
          const bytes = await source.storage.get({ key: frameKey(source.runId, address) });
          assert.ok(bytes !== undefined);
          await source.storage.put(frameKey(source.runId, address), [change(bytes)]);
          await assert.rejects(
            runRound(await source.join(reader), 0, partOf(reader, 0)),
            coded(code, frameKey(source.runId, address)),
          );
        });
      }

      test(`a ${stage} of another step is an error that names the key and both steps`, async () => {
        const group = await world(2);
        await runAll(group, 0);
        const { address } = readObject(stage, 0);
        const bytes = await group.storage.get({ key: frameKey(group.runId, address) });
        const key = frameKey(group.runId, { ...address, step: 3 });
        await group.storage.put(key, [bytes!]);
        await assert.rejects(
          Promise.all(group.ranks.map((rank, r) => runRound(rank, 3, partOf(r, 3), { timeoutMs: 300 }))),
          coded("frame-foreign", key, "step 3", "got 0"),
        );
      });
    }

    test("a missing peer times out with its rank, the step and the key", async () => {
      const group = await world(3);
      const present = [0, 2].map((r) => runRound(group.ranks[r]!, 5, partOf(r, 5), { timeoutMs: 60 }));
      const messages = (await Promise.allSettled(present)).map((round) => {
        assert.ok(round.status === "rejected" && coded("peer-missing", "step 5", group.runId)(round.reason));
        return (round.reason as Error).message;
      });
      // Whoever waits for it says so; a rank that waits for a mean hears of nobody but its owner.
      assert.ok(messages.some((message) => /rank 1's part .* within \d+ ms/.test(message)));
    });

    test("an abort ends the round with its reason", async () => {
      const group = await world(2);
      const stop = new AbortController();
      const reason = new Error("stop asked for");
      const round = runRound(group.ranks[0]!, 0, partOf(0, 0), { signal: stop.signal });
      const ended = assert.rejects(round, reason);
      await setTimeout(10);
      stop.abort(reason);
      await ended;
    });

    test("runs in one storage do not see each other", async () => {
      const storage = await openStorage("all");
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
                ...grid,
              });
              return runRound(collective, 0, parts[run]![rank]!);
            }),
          ),
        ),
      );
      outcomes.forEach((outcome, run) => checked(parts[run]!, outcome[0]!));
    });

    test("time is divided into exchange and waiting", async () => {
      const group = await world(2);
      const late = runRound(group.ranks[0]!, 0, partOf(0, 0), { pause: () => setTimeout(15) });
      await Promise.all([late, runRound(group.ranks[1]!, 0, partOf(1, 0))]);
      const { exchangeMs, waitMs } = group.ranks[1]!.stats;
      assert.ok(exchangeMs > 0 && waitMs > 0);
    });
  });
}
