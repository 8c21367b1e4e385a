// What every collective promises, tried with 1, 2, 3 and 8 ranks in one process over one storage.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { traffic } from "../../src/allreduce/traffic.ts";
import { RandomStream } from "../../src/random.ts";
import { withMeter } from "../../src/storage/layers/meter.ts";
import type { Channel, Storage } from "../../src/storage/storage.ts";
import { collectiveErrors } from "./collective-errors.ts";
import { collectiveReplay } from "./collective-replay.ts";
import { assertSameBits, coded, layout, type Outcome, partOf, range, runRound, TIMEOUT_MS } from "./round.ts";
import { type CollectiveImplementation, grid, worldsOf } from "./world.ts";

const whole = { begin: 0, end: layout.length };

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
  const worlds = worldsOf(implementation, openStorage);
  const { lanes, checked, keysOf, world, runAll, partsOf } = worlds;

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
      test(`a second worker of rank ${twin} leaves all with the same bits`, async () => {
        const group = await world(3);
        const double = await group.join(twin);
        for (const step of range(3)) {
          const twinFirst = step % 2 === 0;
          const late = () => setTimeout(10);
          const doubled = runRound(double, step, partOf(twin, step), twinFirst ? {} : { pause: late });
          const outcomes = await runAll(group, step, twinFirst ? { pause: late } : {});
          assertSameBits([...outcomes, await doubled]);
        }
      });
    }

    for (const liesFirst of [true, false]) {
      test(`a second worker of a rank that would write ${liesFirst ? "other sums first" : "other sums late"} is noticed`, async () => {
        for (const rank of range(3)) {
          const group = await world(3);
          const liar = await group.join(rank);
          const { sums, ...rest } = partOf(rank, 0);
          const lie = { ...rest, sums: sums.with(700, sums[700]! + 1) };
          const late = { pause: () => setTimeout(10) };
          const twins = [
            runRound(group.ranks[rank]!, 0, { ...rest, sums }, liesFirst ? late : {}),
            runRound(liar, 0, lie, liesFirst ? {} : late),
          ];
          const others = group.ranks.map((one, r) => (r === rank ? [] : [runRound(one, 0, partOf(r, 0))]));
          const ended = await Promise.allSettled([...twins, ...others.flat()]);
          const second = ended[liesFirst ? 0 : 1]!;
          assert.ok(second.status === "rejected" && coded("frame-forked", "value")(second.reason));
          const outcomes = ended.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
          assert.equal(outcomes.length, 3);
          assertSameBits(outcomes);
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
        const second = await runRound(await group.join(rank), 0, partOf(rank, 0));
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

    collectiveReplay(worlds);
    collectiveErrors(worlds);
  });
}
