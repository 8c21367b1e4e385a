// Rounds of a collective as its tests run them: what each rank brings, and what must come out.

import assert from "node:assert/strict";
import type { Collective, RoundResult } from "../../src/allreduce/collective.ts";
import { SltrainError } from "../../src/errors.ts";
import { RandomStream } from "../../src/random.ts";
import type { Layout } from "../../src/shard/layout.ts";

export const TIMEOUT_MS = 5000;

export const layout: Layout = {
  entries: [
    { name: "filter", shape: [5, 6, 5], offset: 0, length: 150 },
    { name: "bias", shape: [6], offset: 192, length: 6 },
    { name: "weights", shape: [2000], offset: 256, length: 2000 },
    { name: "last", shape: [10], offset: 2304, length: 10 },
  ],
  length: 2368,
};

/** One rank's part of one round; the weight is what its sums stand for. */
export interface Part {
  readonly sums: Float32Array;
  readonly weight: number;
  readonly scalars: Float64Array;
}

export interface Outcome {
  readonly result: RoundResult;
  readonly mean: Float32Array;
}

export function partOf(rank: number, step: number, salt = 0, length = layout.length): Part {
  const random = new RandomStream(salt, "part", step * 1000 + rank);
  const weight = rank > 0 && (rank * 7 + step) % 4 === 3 ? 0 : 1 + random.nextInt(64);
  return {
    // Sums without samples are zeros.
    sums: Float32Array.from({ length }, () =>
      weight === 0 ? 0 : random.nextNormal() * 10 ** random.nextInt(4),
    ),
    weight,
    scalars: Float64Array.of(random.nextNormal(), rank, 1),
  };
}

export const range = (length: number): number[] => Array.from({ length }, (_, i) => i);
const weightOf = (parts: readonly Part[]): number => parts.reduce((total, { weight }) => total + weight, 0);

export interface RunOptions {
  /** Before each push. */
  readonly pause?: () => Promise<unknown>;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Where the sums lie. Default: a copy. */
  readonly vector?: Float32Array;
}

/** Runs one rank's round. The mean takes the place of the sums. */
export async function runRound(
  collective: Collective,
  step: number,
  part: Part,
  options: RunOptions = {},
): Promise<Outcome> {
  const { pause = () => Promise.resolve(), timeoutMs = TIMEOUT_MS, signal } = options;
  const { vector = Float32Array.from(part.sums) } = options;
  const { weight, scalars } = part;
  const round = collective.begin({ step, weight, timeoutMs, ...(signal === undefined ? {} : { signal }) });
  for (const [i, { begin, end }] of collective.buckets.entries()) {
    await pause();
    round.push(i, vector.subarray(begin, end));
  }
  await pause();
  return { result: await round.finish(scalars, vector), mean: vector };
}

export function assertOracle(parts: readonly Part[], { result, mean }: Outcome, tolerance = 1e-7): void {
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

export function assertSameBits(outcomes: readonly Outcome[]): void {
  const bits = ({ mean, result }: Outcome) =>
    Buffer.concat([
      Buffer.from(mean.buffer),
      Buffer.from(Float64Array.of(result.weight, ...result.scalars).buffer),
    ]);
  for (const outcome of outcomes) assert.equal(Buffer.compare(bits(outcome), bits(outcomes[0]!)), 0);
}

export const coded =
  (code: string, ...words: string[]) =>
  (error: unknown) => {
    assert.ok(error instanceof SltrainError, String(error));
    assert.equal(error.code, code, error.message);
    for (const word of words)
      assert.ok(error.message.includes(word), `${error.message} does not name ${word}`);
    return true;
  };
