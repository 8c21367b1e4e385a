// Every pattern's plan, tried by an interpreter that knows nothing of any pattern: it moves sets of ranks instead of
// sums, so what reaches a mean twice, or not at all, is seen.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ReducePlan } from "../../../src/allreduce/pattern.ts";
import { parseReduce, reduceNames } from "../../../src/allreduce/patterns/index.ts";
import type { ElementRange } from "../../../src/shard/layout.ts";

const range = (length: number): number[] => Array.from({ length }, (_, i) => i);

/** For each 64 elements, whose sums are in it: one string, in the order of summation. */
type Sums = Map<number, string>;
const blocksOf = ({ begin, end }: ElementRange): number[] =>
  begin === end ? [-1] : range(Math.ceil((end - begin) / 64)).map((i) => begin / 64 + i);

/** The means as `rank` gets them, all ranks' objects made level by level. */
function interpret(plan: ReducePlan, bucket: ElementRange): void {
  const { worldSize, levels, means } = plan;
  let sums: (Sums | undefined)[] = range(worldSize).map(
    (rank) => new Map(blocksOf(bucket).map((block) => [block, `${rank}`])),
  );
  for (const level of range(levels)) {
    const published = range(worldSize).map((rank) => plan.published(level, rank));
    const read = new Set<string>();
    const lengths = published.flat().map(({ begin, end }) => end - begin);
    if (lengths.length > 0) assert.equal(plan.longest(level), Math.max(...lengths));
    sums = range(worldSize).map((rank) => {
      const merge = plan.merge(level + 1, rank);
      if (merge === undefined) return undefined;
      const ranks = merge.writers.map((writer) => writer.rank);
      assert.deepEqual(
        ranks,
        [...ranks].sort((a, b) => a - b),
        "writers are in rank order",
      );
      const merged: Sums = new Map();
      for (const writer of merge.writers) {
        const from = sums[writer.rank];
        assert.ok(from !== undefined, `rank ${writer.rank} has something at level ${level}`);
        assert.equal(writer.piece === -1, writer.rank === rank);
        if (writer.piece !== -1) {
          const piece = published[writer.rank]![writer.piece];
          assert.deepEqual(piece, { begin: merge.begin, end: merge.end, reader: rank });
          read.add(`${writer.rank}/${writer.piece}`);
        }
        for (const block of blocksOf(merge)) {
          const part = from.get(block);
          assert.ok(part !== undefined, `rank ${writer.rank} has block ${block} at level ${level}`);
          merged.set(block, merged.has(block) ? `${merged.get(block)} ${part}` : part);
        }
      }
      return merged;
    });
    const writes = published.flatMap((pieces, rank) => pieces.map((_, piece) => `${rank}/${piece}`));
    assert.deepEqual([...read].sort(), writes.sort(), "what is published is read, once");
  }
  const all = range(worldSize).join(" ");
  let end = bucket.begin;
  for (const mean of means) {
    assert.equal(mean.begin, end, "means follow each other");
    assert.ok(mean.begin % 64 === 0 && (mean.end > mean.begin || bucket.end === bucket.begin));
    end = mean.end;
    const { begin, end: mergedEnd } = plan.merge(levels, mean.owner)!;
    assert.deepEqual([begin, mergedEnd], [mean.begin, mean.end], "the owner merges its mean");
    for (const block of blocksOf(mean)) assert.equal(sums[mean.owner]!.get(block), all);
  }
  assert.equal(end, bucket.end);
  for (const rank of range(worldSize)) {
    const relayed = plan.relayed(rank);
    for (const [piece, { owner }] of means.entries()) {
      if (owner === rank) continue;
      const source = plan.source(piece, rank);
      assert.notEqual(source.rank, rank);
      if (source.relayed) assert.ok(plan.relayed(source.rank).includes(piece) && !relayed.includes(piece));
      else assert.equal(source.rank, owner);
    }
  }
}

const specs = ["scatter-reduce", "scatter-reduce:3", "all-reduce", "tree", "hierarchical", "hierarchical:4"];
const fits = (spec: string, worldSize: number): boolean => worldSize >= Number(spec.split(":")[1] ?? 1);

describe("reduce patterns", () => {
  for (const spec of specs) {
    test(`${spec} adds every element of every rank once and in rank order, for 1 to 40 ranks`, () => {
      const buckets = [
        { begin: 0, end: 64 * 2000 },
        { begin: 64, end: 64 * 3 + 7 },
        { begin: 128, end: 128 },
        { begin: 640, end: 640 + 64 * 41 },
      ];
      for (const worldSize of range(40).map((i) => i + 1)) {
        if (!fits(spec, worldSize)) continue;
        for (const [i, bucket] of buckets.entries()) {
          interpret(parseReduce(spec).plan(bucket, worldSize, i), bucket);
        }
      }
    });

    test(`${spec} tells one of 1,000 ranks its part without looking at all pairs`, () => {
      const bucket = { begin: 0, end: 64 * 5000 };
      const plan = parseReduce(spec).plan(bucket, 1000, 0);
      for (const rank of [0, 1, 499, 999]) {
        for (const level of range(plan.levels)) {
          plan.published(level, rank);
          plan.merge(level + 1, rank);
        }
        for (const piece of plan.means.keys())
          if (plan.means[piece]!.owner !== rank) plan.source(piece, rank);
      }
    });
  }

  test("a tree has the layers that were asked for, and neighbours merge", () => {
    const bucket = { begin: 0, end: 640 };
    const plan = parseReduce("tree:1,5,22,100").plan(bucket, 100, 0);
    interpret(plan, bucket);
    const mergers = (level: number) => range(100).filter((rank) => plan.merge(level, rank) !== undefined);
    assert.deepEqual(
      [1, 2, 3].map((level) => mergers(level).length),
      [22, 5, 1],
    );
    assert.deepEqual(plan.merge(1, 0)!.writers, [
      { rank: 0, piece: -1 },
      { rank: 1, piece: 0 },
      { rank: 2, piece: 0 },
      { rank: 3, piece: 0 },
    ]);
  });

  test("hierarchical groups keep what one rank reads and writes near four times the root of their number", () => {
    const plan = parseReduce("hierarchical").plan({ begin: 0, end: 64 * 100_000 }, 1024, 0);
    for (const rank of [0, 500, 1023]) {
      const merged = [1, 2].map((level) => plan.merge(level, rank)!.writers.length);
      const sources = new Set(
        [...plan.means.keys()]
          .filter((piece) => plan.means[piece]!.owner !== rank)
          .map((piece) => plan.source(piece, rank).rank),
      );
      assert.deepEqual([...merged, sources.size, plan.relayed(rank).length], [32, 32, 62, 32]);
    }
  });

  test("a pattern is named as it was written", () => {
    for (const spec of [...specs, "tree:1,5,22,100"]) assert.equal(parseReduce(spec).name, spec);
    assert.deepEqual(reduceNames, ["scatter-reduce", "all-reduce", "tree", "hierarchical"]);
  });

  test("what is no pattern, or does not fit the number of ranks, is refused", () => {
    const bad = ["", "ring", "scatter-reduce:0", "scatter-reduce:1.5", "scatter-reduce:1,2", "all-reduce:1"];
    for (const spec of [
      ...bad,
      "tree:2,4",
      "tree:1",
      "tree:1,5,3",
      "hierarchical:x",
      "tree:1,2:3",
      "toString",
    ]) {
      assert.throws(() => parseReduce(spec), { code: "reduce-invalid" }, spec);
    }
    for (const spec of ["scatter-reduce:5", "tree:1,2,5", "hierarchical:5"]) {
      assert.throws(
        () => parseReduce(spec).plan({ begin: 0, end: 64 }, 4, 0),
        { code: "reduce-invalid" },
        spec,
      );
    }
  });
});
