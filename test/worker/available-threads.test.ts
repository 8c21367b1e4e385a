import assert from "node:assert/strict";
import { test } from "node:test";
import { availableThreads } from "../../src/worker/available-threads.ts";

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
