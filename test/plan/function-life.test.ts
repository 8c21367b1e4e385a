import assert from "node:assert/strict";
import { test } from "node:test";
import { SltrainError } from "../../src/errors.ts";
import { type FunctionLife, refuseShortLife } from "../../src/plan/function-life.ts";
import { vcpusOf } from "../../src/plan/function-memory.ts";

const life: FunctionLife = {
  ...{ timeoutS: 3, memoryMiB: 1769, workers: 4, samples: 32, stepMs: 10 },
  vcpusWith: (memoryMiB) => Math.min(2, vcpusOf(memoryMiB)),
};

function refusalOf(question: FunctionLife): SltrainError {
  try {
    refuseShortLife(question);
  } catch (error) {
    assert.ok(error instanceof SltrainError);
    return error;
  }
  return assert.fail("it was not refused");
}

const numberIn = (error: SltrainError, flag: string): number =>
  Number(new RegExp(`--${flag} (\\d+)`).exec(error.suggestions.join())![1]);

test("a function that lives for some steps is taken", () => {
  refuseShortLife(life);
});

test("a shorter life is refused, and each remedy would do while a little less would not", () => {
  const short = { ...life, stepMs: 1500 };
  const error = refusalOf(short);
  assert.equal(error.code, "timeout-too-short");
  assert.match(
    error.message,
    /got 3 s: with 1\.00 vCPU a start takes 400 ms, and a step of 32 samples 1\.50 s$/,
  );

  const timeoutS = numberIn(error, "timeout-s");
  refuseShortLife({ ...short, timeoutS });
  refusalOf({ ...short, timeoutS: timeoutS - 1 });

  const memoryMiB = numberIn(error, "memory-mib");
  refuseShortLife({ ...short, memoryMiB });
  refusalOf({ ...short, memoryMiB: memoryMiB - 64 });

  const samples = numberIn(error, "batch-size") / short.workers;
  const withSamples = (count: number) => ({ ...short, samples: count, stepMs: (short.stepMs * count) / 32 });
  refuseShortLife(withSamples(samples));
  refusalOf(withSamples(samples + 1));
});

test("where the start alone takes too long, no batch is small enough", () => {
  const small = { ...life, memoryMiB: 128, vcpusWith: vcpusOf };
  const error = refusalOf(small);
  assert.doesNotMatch(error.suggestions.join(), /--batch-size/);
  const timeoutS = numberIn(error, "timeout-s");
  refuseShortLife({ ...small, timeoutS });
  refusalOf({ ...small, timeoutS: timeoutS - 1 });
});

test("what no time-out, batch or memory would mend is not suggested", () => {
  assert.deepEqual(refusalOf({ ...life, stepMs: 1e6 }).suggestions, ["Use a smaller model."]);
});
