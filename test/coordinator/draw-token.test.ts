import assert from "node:assert/strict";
import { test } from "node:test";
import { drawToken, type DrawOptions } from "../../src/coordinator/draw-token.ts";
import { RandomStream } from "../../src/random.ts";

const PROBABILITIES = Float32Array.of(0.1, 0.4, 0.05, 0.25, 0.2);
const DRAWS = 20_000;

/** By token: its share of the draws. */
function shares(options: DrawOptions): number[] {
  const random = new RandomStream(5, "draws");
  const counts = [...PROBABILITIES].map(() => 0);
  for (let i = 0; i < DRAWS; i++) counts[drawToken(PROBABILITIES, options, random)]!++;
  return counts.map((count) => count / DRAWS);
}

function assertShares(options: DrawOptions, weights: readonly number[]): void {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  shares(options).forEach((share, token) => {
    const expected = weights[token]! / total;
    // Four standard deviations.
    const tolerance = 4 * Math.sqrt((expected * (1 - expected)) / DRAWS);
    assert.ok(Math.abs(share - expected) <= tolerance, `token ${token}: ${share}, expected ${expected}`);
  });
}

test("tokens come as often as they are likely, or by powers of that", () => {
  assertShares({ temperature: 1 }, [...PROBABILITIES]);
  assertShares(
    { temperature: 0.5 },
    [...PROBABILITIES].map((p) => p ** 2),
  );
  assertShares({ temperature: 0 }, [0, 1, 0, 0, 0]);
});

test("of the likeliest so many can come, or the fewest with a share of the probability", () => {
  assertShares({ temperature: 1, topK: 2 }, [0, 0.4, 0, 0.25, 0]);
  // 0.4 and 0.25 fall short of 0.8, the next one makes 0.85.
  assertShares({ temperature: 1, topP: 0.8 }, [0, 0.4, 0, 0.25, 0.2]);
  assertShares({ temperature: 1, topP: 1 }, [...PROBABILITIES]);
  // Of the two, the first has more than half.
  assertShares({ temperature: 1, topK: 2, topP: 0.5 }, [0, 1, 0, 0, 0]);
  // The likeliest comes in any case.
  assertShares({ temperature: 1, topP: 0 }, [0, 1, 0, 0, 0]);
});
