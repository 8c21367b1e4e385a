import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Collective, CollectiveState, RoundResult } from "../../src/allreduce/collective.ts";
import { openPowerSgd } from "../../src/allreduce/powersgd.ts";
import { scatterReduce } from "../../src/allreduce/patterns/scatter-reduce.ts";
import { tree } from "../../src/allreduce/patterns/tree.ts";
import { RandomStream } from "../../src/random.ts";
import type { Layout, LayoutEntry } from "../../src/shard/layout.ts";
import { openStorage } from "../../src/storage/open.ts";

const layout: Layout = {
  entries: [
    { name: "filter", shape: [3, 3, 4, 16], offset: 0, length: 576 },
    { name: "bias", shape: [16], offset: 576, length: 16 },
    { name: "weights", shape: [30, 50], offset: 640, length: 1500 },
    { name: "narrow", shape: [20, 2], offset: 2176, length: 40 },
  ],
  length: 2240,
};
const statistics: Layout = {
  entries: [{ name: "mean", shape: [5], offset: 0, length: 5 }],
  length: 64,
};
const LENGTH = layout.length + statistics.length;
const matrices = [layout.entries[0]!, layout.entries[2]!];
const TERMS = 2;

interface Part {
  readonly sums: Float32Array;
  readonly weight: number;
}

interface Outcome {
  readonly result: RoundResult;
  readonly mean: Float32Array;
}

let runs = 0;

async function openCrew(worldSize: number, reduce = scatterReduce()): Promise<Member[]> {
  const channel = await openStorage(`memory:powersgd-${runs}`);
  const runId = `run-${runs++}`;
  return Array.from({ length: worldSize }, (_, rank) => ({
    open: (generation: number) =>
      openPowerSgd({
        ...{ channel, runId, rank, worldSize, generation, seed: 5, layout, statistics },
        ...{ bucketBytes: 2048, reduce, zstd: "on", terms: TERMS },
      }),
  }));
}

interface Member {
  open(generation: number): Promise<Collective>;
}

async function round(collective: Collective, step: number, { sums, weight }: Part): Promise<Outcome> {
  const vector = sums.slice();
  const open = collective.begin({ step, weight, timeoutMs: 5000 });
  for (const [bucket, { begin, end }] of collective.buckets.entries())
    open.push(bucket, vector.subarray(begin, end));
  return { result: await open.finish(Float64Array.of(weight, 1), vector), mean: vector };
}

const all = (crew: readonly Collective[], step: number, parts: readonly Part[]): Promise<Outcome[]> =>
  Promise.all(crew.map((collective, rank) => round(collective, step, parts[rank]!)));

/** Padding is zeros, as in a worker's memory. */
function partOf(rank: number, step: number, fill = fullRank): Part {
  const random = new RandomStream(step, "part", rank);
  const weight = 1 + random.nextInt(9);
  const sums = new Float32Array(LENGTH);
  for (const entry of layout.entries)
    fill(random, entry, sums.subarray(entry.offset, entry.offset + entry.length));
  for (let i = layout.length; i < layout.length + 5; i++) sums[i] = weight * i;
  return { sums, weight };
}

type Fill = (random: RandomStream, entry: LayoutEntry, values: Float32Array) => void;

const fullRank: Fill = (random, _, values) => values.forEach((__, i) => (values[i] = random.nextNormal()));

/** The sum of all ranks' has rank two: the same two columns everywhere. */
const rankTwo: Fill = (random, { name, shape }, values) => {
  const columns = shape.at(-1)!;
  const shared = new RandomStream(1, name);
  const basis = Array.from({ length: (2 * values.length) / columns }, () => shared.nextNormal());
  const shares = Array.from({ length: 2 * columns }, () => random.nextNormal());
  values.forEach((_, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    values[i] = basis[2 * row]! * shares[2 * column]! + basis[2 * row + 1]! * shares[2 * column + 1]!;
  });
};

function meanOf(parts: readonly Part[]): Float64Array {
  const mean = new Float64Array(LENGTH);
  const weight = parts.reduce((total, part) => total + part.weight, 0);
  for (const { sums } of parts) sums.forEach((value, i) => (mean[i]! += value / weight));
  return mean;
}

const valuesOf = (vector: Float32Array | Float64Array, { offset, length }: LayoutEntry): number[] =>
  Array.from(vector.subarray(offset, offset + length));
const inner = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, x, i) => sum + x * b[i]!, 0);
const distance = (a: readonly number[], b: readonly number[]): number =>
  Math.sqrt(a.reduce((sum, x, i) => sum + (x - b[i]!) ** 2, 0));
const norm = (a: readonly number[]): number => Math.sqrt(inner(a, a));

/** The paper's algorithm 1 in f64, with classical projections: P P^T M for an orthonormal basis P of M Q's columns. */
function oracle(mean: readonly number[], columns: number, q: readonly number[]): number[] {
  const rows = mean.length / columns;
  const row = (i: number) => mean.slice(i * columns, (i + 1) * columns);
  const basis: number[][] = [];
  for (let term = 0; term < TERMS; term++) {
    const direction = q.slice(term * columns, (term + 1) * columns);
    const p = Array.from({ length: rows }, (_, i) => inner(row(i), direction));
    const rest = p.map((x, i) => x - basis.reduce((sum, b) => sum + inner(b, p) * b[i]!, 0));
    basis.push(rest.map((x) => x / norm(rest)));
  }
  return mean.map((_, at) => {
    const [i, j] = [Math.floor(at / columns), at % columns];
    return basis.reduce(
      (sum, b) => sum + b[i]! * b.reduce((x, share, k) => x + share * mean[k * columns + j]!, 0),
      0,
    );
  });
}

/** Where a matrix's Q begins in the state: behind those before it, each at a multiple of 64. */
const qOffsets = [0, 64];

describe("PowerSGD", () => {
  for (const reduce of [scatterReduce(), tree([1, 3])]) {
    test(`by ${reduce.name}, every round gives what the algorithm says of gradient and residual, on all ranks the same bits`, async () => {
      const crew = await Promise.all((await openCrew(3, reduce)).map((member) => member.open(0)));
      const lost = [0, 1, 2].map(() => new Float64Array(LENGTH));
      for (let step = 0; step < 4; step++) {
        const parts = [0, 1, 2].map((rank) => partOf(rank, step));
        const fed = parts.map(({ sums, weight }, rank) => ({
          sums: sums.map((value, i) => value + lost[rank]![i]!),
          weight,
        }));
        const q = Array.from(crew[0]!.state["powersgd/q"]!);
        const outcomes = await all(crew, step, parts);
        for (const { mean } of outcomes) assert.deepEqual(mean, outcomes[0]!.mean);
        const { mean } = outcomes[0]!;
        for (const [i, entry] of matrices.entries()) {
          const want = oracle(valuesOf(meanOf(fed), entry), entry.shape.at(-1)!, q.slice(qOffsets[i]));
          const got = valuesOf(mean, entry);
          assert.ok(distance(got, want) < 1e-5 * norm(want), `${distance(got, want)} of ${norm(want)}`);
          for (const [rank, { sums, weight }] of fed.entries()) {
            for (let at = entry.offset; at < entry.offset + entry.length; at++)
              lost[rank]![at] = sums[at]! - weight * mean[at]!;
          }
        }
      }
    });
  }

  test("what is no matrix, or gains nothing, and statistics are the exact mean; scalars and weights ride along", async () => {
    const crew = await Promise.all((await openCrew(3)).map((member) => member.open(0)));
    const parts = [0, 1, 2].map((rank) => partOf(rank, 0));
    const [{ mean, result }] = (await all(crew, 0, parts)) as [Outcome];
    const want = meanOf(parts);
    for (const { offset, length } of [
      layout.entries[1]!,
      layout.entries[3]!,
      { offset: layout.length, length: 5 },
    ]) {
      for (let i = offset; i < offset + length; i++)
        assert.ok(Math.abs(mean[i]! - want[i]!) <= 1e-7 * Math.abs(want[i]!) + 1e-9);
    }
    const weight = parts.reduce((total, part) => total + part.weight, 0);
    assert.equal(result.weight, weight);
    assert.deepEqual(result.scalars, Float64Array.of(weight, 3));
    assert.equal(mean[600], 0); // padding
  });

  test("a mean of no higher rank comes through, also after rounds of zeros", async () => {
    const crew = await Promise.all((await openCrew(2)).map((member) => member.open(0)));
    const nothing: Fill = (_, __, values) => values.fill(0);
    for (const [step, fill] of [rankTwo, rankTwo, nothing, rankTwo].entries()) {
      const parts = [0, 1].map((rank) => partOf(rank, step, fill));
      const [{ mean }] = (await all(crew, step, parts)) as [Outcome];
      const want = meanOf(parts);
      for (const entry of matrices) {
        const wanted = valuesOf(want, entry);
        assert.ok(distance(valuesOf(mean, entry), wanted) <= 1e-5 * (1 + norm(wanted)), `step ${step}`);
      }
    }
  });

  test("over many rounds of one gradient, everything is sent", async () => {
    const crew = await Promise.all((await openCrew(2)).map((member) => member.open(0)));
    const parts = [0, 1].map((rank) => partOf(rank, 0));
    const sent = new Float64Array(LENGTH);
    const steps = 120;
    for (let step = 0; step < steps; step++) {
      const [{ mean }] = (await all(crew, step, parts)) as [Outcome];
      mean.forEach((value, i) => (sent[i]! += value / steps));
    }
    const want = meanOf(parts);
    for (const entry of matrices)
      assert.ok(distance(valuesOf(sent, entry), valuesOf(want, entry)) < 0.2 * norm(valuesOf(want, entry)));
  });

  test("a rank that starts anew with the state of the round before gives the same bits", async () => {
    const members = await openCrew(2);
    const crew = await Promise.all(members.map((member) => member.open(0)));
    const parts = (step: number) => [0, 1].map((rank) => partOf(rank, step));
    await all(crew, 0, parts(0));
    // A clone would share the memory that the next round changes.
    const saved: CollectiveState = Object.fromEntries(
      Object.entries(crew[1]!.state).map(([name, values]) => [name, values.slice()]),
    );
    const [{ mean }] = (await all(crew, 1, parts(1))) as [Outcome];
    const anew = await members[1]!.open(1);
    anew.restore(saved);
    assert.deepEqual((await round(anew, 1, parts(1)[1]!)).mean, mean);
    const outcomes = await all([crew[0]!, anew], 2, parts(2));
    assert.deepEqual(outcomes[0]!.mean, outcomes[1]!.mean);
  });

  test("a state of another layout is refused", async () => {
    const [collective] = await Promise.all((await openCrew(1)).map((member) => member.open(0)));
    const state = { ...collective!.state, "powersgd/q": new Float32Array(3) };
    assert.throws(() => collective!.restore(state), { code: "state-mismatch", message: /powersgd\/q/ });
  });

  test("a NaN is not lost", async () => {
    const crew = await Promise.all((await openCrew(2)).map((member) => member.open(0)));
    const parts = [0, 1].map((rank) => partOf(rank, 0));
    parts[1]!.sums[700] = NaN;
    const [{ mean }] = (await all(crew, 0, parts)) as [Outcome];
    assert.ok(Number.isNaN(mean[700]));
  });

  test("it sends a fraction of the bytes", async () => {
    const crew = await Promise.all((await openCrew(2)).map((member) => member.open(0)));
    await all(
      crew,
      0,
      [0, 1].map((rank) => partOf(rank, 0)),
    );
    assert.ok(crew[0]!.stats.bytesUp < LENGTH * 4 * 0.6);
  });
});
