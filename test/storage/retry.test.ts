import assert from "node:assert/strict";
import { test } from "node:test";
import { SltrainError } from "../../src/errors.ts";
import { withFaults } from "../../src/storage/layers/faults.ts";
import { layered } from "../../src/storage/layers/layer.ts";
import { type RetryOptions, withRetry } from "../../src/storage/layers/retry.ts";
import { openStorage } from "../../src/storage/open.ts";
import type { Arrival, Channel, Storage } from "../../src/storage/storage.ts";
import { collect } from "../contract/collect.ts";
import { storageContract } from "../contract/storage.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

const one = [Uint8Array.of(1)];
const throttled = (): SltrainError =>
  new SltrainError({ code: "storage-throttled", message: "storage put k: got 503", retryable: true });

/** A store in memory whose first `failures` requests of each kind throw `error`. */
async function failing(name: string, failures: number, error: () => Error = throttled): Promise<Storage> {
  const storage = await openStorage(`memory:${name}`);
  const left = new Map<string, number>();
  const attempt = <T>(kind: string, send: () => Promise<T>): Promise<T> => {
    const remaining = left.get(kind) ?? failures;
    left.set(kind, remaining - 1);
    return remaining > 0 ? Promise.reject(error()) : send();
  };
  return layered(storage, {
    put: (key, parts, how) => attempt("put", () => storage.put(key, parts, how)),
    get: (ref, into) => attempt("get", () => storage.get(ref, into)),
    delete: (keys) => attempt("delete", () => storage.delete(keys)),
    deleteFolder: (folder) => attempt("deleteFolder", () => storage.deleteFolder(folder)),
  });
}

function retrying<S extends Channel>(
  inner: S,
  options: RetryOptions = {},
): { channel: S; pausesMs: number[] } {
  const clock = new VirtualClock();
  const pausesMs: number[] = [];
  const noted = {
    nowMs: () => clock.nowMs(),
    sleep: (durationMs: number, signal?: AbortSignal) => {
      pausesMs.push(durationMs);
      return clock.sleep(durationMs, signal);
    },
  };
  return { channel: withRetry(inner, { clock: noted, random: () => 0.5, ...options }), pausesMs };
}

storageContract("retry over a store that fails every third time", async () =>
  withRetry(withFaults(await openStorage("memory:retry-contract"), { errors: 0.3, seed: 3 }), {
    firstPauseMs: 1,
    maxPauseMs: 2,
  }),
);

test("a store that has never answered is given up after ten seconds, one that has after a minute", async () => {
  const refuse = (): Promise<never> =>
    Promise.reject(
      new SltrainError({ code: "storage-unreachable", message: "storage: refused", retryable: true }),
    );
  const { channel } = retrying(layered(await openStorage("memory:unreachable"), { get: refuse }));
  await assert.rejects(channel.get({ key: "k" }), /tried \d+ times in (\d|10)\.\d+ s/);
  await channel.put("k", one);
  await assert.rejects(channel.get({ key: "k" }), /tried \d+ times in 5\d\.\d+ s/);
});

test("every call is repeated until it succeeds, and the caller hears of each failure before it is", async () => {
  const heard: string[] = [];
  const inner = await failing("retried", 3);
  const { channel } = retrying(inner, { onRetry: ({ code }) => heard.push(code) });
  assert.equal(await channel.put("folder/k", one), "stored");
  assert.deepEqual(await channel.get({ key: "folder/k" }), Uint8Array.of(1));
  await channel.delete(["folder/k"]);
  await channel.deleteFolder("folder/");
  assert.deepEqual(heard, Array<string>(12).fill("storage-throttled"));
});

test("pauses are a random share of a bound that doubles up to its largest value", async () => {
  const { channel, pausesMs } = retrying(await failing("pauses", 6), { firstPauseMs: 100, maxPauseMs: 1000 });
  await channel.put("k", one);
  assert.deepEqual(pausesMs, [50, 100, 200, 400, 500, 500]);
});

test("after the deadline the last error is thrown with its code, its key, the tries and their time", async () => {
  const { channel, pausesMs } = retrying(await failing("deadline", Infinity), { deadlineMs: 20_000 });
  await assert.rejects(channel.put("k", one), (error) => {
    assert.ok(error instanceof SltrainError);
    assert.equal(error.code, "storage-throttled");
    assert.match(error.message, /put k: got 503; tried 14 times in 18\.2 s/);
    return true;
  });
  assert.ok(pausesMs.reduce((sum, ms) => sum + ms, 0) <= 20_000);
});

test("an error that would come again is thrown at once", async () => {
  const denied = (): SltrainError => new SltrainError({ code: "storage-denied", message: "no" });
  for (const error of [denied, () => new TypeError("a bug")]) {
    const { channel, pausesMs } = retrying(await failing(`at-once-${error.name}`, 1, error));
    await assert.rejects(channel.get({ key: "k" }), error());
    assert.deepEqual(pausesMs, []);
  }
});

test("an abort ends the pauses with its reason", async () => {
  const stop = new AbortController();
  const inner = await failing("aborted", Infinity);
  const { channel } = retrying(inner, { signal: stop.signal, onRetry: () => stop.abort(new Error("stop")) });
  await assert.rejects(channel.put("k", one), /^Error: stop$/);
});

test("a put-if-absent that succeeded but whose answer was lost says that somebody wrote the object", async () => {
  const memory = await openStorage("memory:lost-answer");
  let answers = 0;
  const lossy = layered(memory, {
    async put(key, parts, how) {
      const outcome = await memory.put(key, parts, how);
      if (answers++ === 0) throw throttled();
      return outcome;
    },
  });
  const { channel } = retrying(lossy);
  assert.equal(await channel.put("k", one, { ifAbsent: true }), "exists");
  assert.deepEqual(await channel.get({ key: "k" }), Uint8Array.of(1));
});

test("a wait gives an outage no more than its own time-out", async () => {
  const { channel } = retrying(await failing("wait-outage", Infinity));
  await assert.rejects(
    collect(channel.waitFor([{ key: "k" }], { timeoutMs: 3000 })),
    /got 503; tried \d+ times in \d\.\d+ s/,
  );
});

/** A channel that is told of arrivals, whose connection breaks after each. */
async function breaking(name: string, arrivalsBetween: number): Promise<Storage> {
  const memory = await openStorage(`memory:${name}`);
  return layered(memory, {
    capabilities: { ...memory.capabilities, blockingWait: true },
    async *waitFor(refs, { timeoutMs }): AsyncGenerator<Arrival> {
      for (const [index, ref] of refs.entries()) {
        if (index === arrivalsBetween) throw throttled();
        const bytes = await memory.get(ref);
        if (bytes === undefined) {
          throw new SltrainError({
            code: "wait-timeout",
            message: `within ${timeoutMs} ms`,
            retryable: true,
          });
        }
        yield { index, bytes };
      }
    },
  });
}

test("a blocking wait whose connection breaks goes on with what is missing", async () => {
  const inner = await breaking("breaking", 2);
  const keys = ["a", "b", "c", "d", "e"];
  for (const [i, key] of keys.entries()) await inner.put(key, [Uint8Array.of(i)]);
  const { channel, pausesMs } = retrying(inner);
  const arrivals = await collect(
    channel.waitFor(
      keys.map((key) => ({ key })),
      { timeoutMs: 1000 },
    ),
  );
  assert.deepEqual(
    arrivals.map(({ index, bytes }) => [index, bytes[0]]),
    keys.map((_, i) => [i, i]),
  );
  assert.deepEqual(pausesMs, [25, 25]);
});

test("a blocking wait that ran out of time is not begun again", async () => {
  const { channel, pausesMs } = retrying(await breaking("blocked", 9));
  await assert.rejects(collect(channel.waitFor([{ key: "a" }], { timeoutMs: 77 })), /within 77 ms/);
  assert.deepEqual(pausesMs, []);
});

test("a listing that breaks off goes on where it was", async () => {
  const memory = await openStorage("memory:listing");
  for (const key of ["a", "b", "c"]) await memory.put(key, one);
  let breaks = 2;
  const inner = layered(memory, {
    async *list(prefix) {
      for await (const key of memory.list(prefix)) {
        if (key === "c" && breaks-- > 0) throw throttled();
        yield key;
      }
    },
  });
  assert.deepEqual(await collect(retrying(inner).channel.list("")), ["a", "b", "c"]);
});
