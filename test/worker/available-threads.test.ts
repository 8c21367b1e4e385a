import assert from "node:assert/strict";
import { test } from "node:test";
import { availableThreads, planThreads } from "../../src/worker/available-threads.ts";

test("local workers share the machine's cores, and each has one thread at least", () => {
  const threads = [1, 2, 3, 8, 9].map((workers) => availableThreads({ workers, env: {}, cores: 8 }));
  assert.deepEqual(threads, [8, 4, 2, 1, 1]);
});

test("a function on Lambda has a thread for each whole vCPU of its memory", () => {
  const threads = ["128", "1769", "3537", "3538", "10240"].map((memory) =>
    availableThreads({ workers: 100, env: { AWS_LAMBDA_FUNCTION_MEMORY_SIZE: memory }, cores: 6 }),
  );
  assert.deepEqual(threads, [1, 1, 1, 2, 5]);
});

test("the exchange gets a thread where workers in lockstep have a vCPU that computes nothing", () => {
  const io = (
    config: Partial<Parameters<typeof planThreads>[0]>,
    available: number,
    lockstep = true,
  ): boolean =>
    planThreads({ workers: 2, threads: undefined, ioThread: "auto", ...config }, { available, lockstep }).io;
  assert.ok(io({ threads: 1 }, 2));
  assert.ok(!io({ threads: 2 }, 2));
  assert.ok(!io({}, 1) && !io({}, 4));
  assert.ok(!io({ threads: 1, workers: 1 }, 2));
  assert.ok(io({ ioThread: "on" }, 1) && !io({ threads: 1, ioThread: "off" }, 2));
  assert.ok(!io({ threads: 1 }, 2, false) && !io({ ioThread: "on" }, 2, false));
});
