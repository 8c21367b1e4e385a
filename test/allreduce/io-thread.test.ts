import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, afterEach, test } from "node:test";
import { MessageChannel } from "node:worker_threads";
import { type CollectiveJob, openJob, type OpenedJob } from "../../src/allreduce/collective-job.ts";
import type { Collective } from "../../src/allreduce/collective.ts";
import { postedError, receivedError } from "../../src/allreduce/io-thread/posted-error.ts";
import { remoteCollective } from "../../src/allreduce/io-thread/remote-collective.ts";
import { serveCollective } from "../../src/allreduce/io-thread/serve-collective.ts";
import { startIoThread } from "../../src/allreduce/io-thread/start-io-thread.ts";
import { SltrainError } from "../../src/errors.ts";
import { type BiasedCodec, roomFor } from "../../src/shard/codec/codec.ts";
import { parseCodec } from "../../src/shard/codec/codecs.ts";
import { encodeWithFeedback } from "../../src/shard/error-feedback.ts";
import type { Layout } from "../../src/shard/layout.ts";
import { openStorage } from "../../src/storage/open.ts";
import { collectiveContract } from "../contract/collective.ts";
import { wordsOf } from "../support/words.ts";
import { implementation } from "./implementation.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "sltrain-io-thread-"));
after(() => fs.rmSync(folder, { recursive: true }));

/** What follows a test: open ports would keep the process alive. */
const endings: (() => unknown)[] = [];
afterEach(() => Promise.all(endings.splice(0).map((end) => end())));

const layout: Layout = {
  entries: [
    { name: "matrix", shape: [80, 50], offset: 0, length: 4000 },
    { name: "bias", shape: [10], offset: 4032, length: 10 },
  ],
  length: 4096,
};

const jobOf = (name: string, rank: number, more: Partial<CollectiveJob> = {}): CollectiveJob => ({
  ...{ channel: `fs:${path.join(folder, name)}`, runId: "run", rank, worldSize: 2, generation: 0, seed: 3 },
  ...{ layout, bucketBytes: 4096, reduce: "scatter-reduce", compress: "f32", zstd: "auto" },
  ...more,
});

// The whole protocol, with both ends on one thread: the contract looks into the channel that it hands over.
for (const packed of [false, true]) {
  const direct = implementation("scatter-reduce", { packed });
  const behindMessages = {
    ...direct,
    name: `${direct.name} behind messages`,
    async open(options: Parameters<typeof direct.open>[0]) {
      const { port1, port2 } = new MessageChannel();
      endings.push(() => port1.close());
      serveCollective(port2, async (_, onLate) => {
        const collective = await direct.open({ ...options, onLate });
        return { collective, close: () => collective.close() };
      });
      return remoteCollective(port1, jobOf("unused", options.rank), { onLate: options.onLate });
    },
  };
  collectiveContract(behindMessages, "memory", (name) => openStorage(`memory:io-${packed}-${name}`));
}

async function openOnThread(job: CollectiveJob): Promise<OpenedJob> {
  const thread = startIoThread();
  endings.push(() => thread.stop());
  return thread.open(job);
}

/** One round of a rank that pushes what `shared` memory holds, or memory of its own; the mean takes its place. */
async function round(
  collective: Collective,
  rank: number,
  step: number,
  shared: boolean,
): Promise<Float32Array> {
  const values = new Float32Array(
    shared ? new SharedArrayBuffer(layout.length * 4) : new ArrayBuffer(layout.length * 4),
  );
  values.forEach((_, i) => (values[i] = Math.sin(i * (rank + 2) + step)));
  const round = collective.begin({ step, weight: rank + 1, timeoutMs: 5000 });
  collective.buckets.forEach(({ begin, end }, bucket) => round.push(bucket, values.subarray(begin, end)));
  const { weight } = await round.finish(Float64Array.of(rank), values);
  assert.equal(weight, 3);
  return Float32Array.from(values);
}

for (const compress of ["f32", "bf16", "top-k:1%", "powersgd:2"]) {
  test(`with ${compress} a thread gives the bits, the state and the traffic of a collective without one`, async () => {
    const opened = [];
    const results = [];
    for (const where of ["direct", "thread"]) {
      const open = (job: CollectiveJob) => (where === "direct" ? openJob(job, {}) : openOnThread(job));
      const pair = await Promise.all(
        [0, 1].map((rank) => open(jobOf(`${where}-${compress}`, rank, { compress }))),
      );
      const means = [];
      for (const step of [0, 1, 2])
        means.push(
          ...(await Promise.all(
            pair.map(({ collective }, rank) => round(collective, rank, step, rank === 0)),
          )),
        );
      await Promise.all(pair.map(({ collective }) => collective.sweep(3, 2)));
      const states = pair.map(({ collective: { state } }) => structuredClone(state));
      const { bytesUp, bytesDown } = pair[0]!.collective.stats;
      const pieces = pair.map(({ collective: { ownPieces } }) => structuredClone(ownPieces));
      results.push({ means, states, bytesUp, bytesDown, pieces });
      opened.push(...pair);
    }
    assert.deepEqual(results[1], results[0]);
    await Promise.all(opened.map(({ close }) => close()));
  });
}

test("words cross to a thread, from shared memory or a rank's own, and residuals that are written back", async () => {
  const more = { compress: "top-k:10%" };
  const encoded = async (where: string, shared: boolean) => {
    const pair = await Promise.all([0, 1].map((rank) => openOnThread(jobOf(where, rank, more))));
    const means = await Promise.all(
      pair.map(({ collective }, rank) => {
        const vector = () =>
          new Float32Array(
            shared ? new SharedArrayBuffer(layout.length * 4) : new ArrayBuffer(layout.length * 4),
          );
        const [values, words] = [vector(), vector()];
        values.forEach((_, i) => (values[i] = Math.sin(i * (rank + 2))));
        for (const { begin, end, codec: name, residual } of collective.ownPieces) {
          const codec = parseCodec(name);
          const own = values.slice(begin, end);
          const chunk = encodeWithFeedback(
            codec as BiasedCodec,
            own,
            residual!,
            roomFor(codec, own.length),
            0,
          );
          new Int32Array(words.buffer).set(wordsOf(codec, chunk, own.length), begin);
          values.fill(NaN, begin, end);
        }
        const round = collective.begin({ step: 0, weight: rank + 1, timeoutMs: 5000 });
        collective.buckets.forEach(({ begin, end }, bucket) =>
          round.push(bucket, values.subarray(begin, end), words.subarray(begin, end)),
        );
        return round.finish(new Float64Array(0), values).then(() => Float32Array.from(values));
      }),
    );
    return { means, states: pair.map(({ collective: { state } }) => structuredClone(state)) };
  };
  const plain = await Promise.all(
    [0, 1].map((rank) => openOnThread(jobOf("words-none", rank, more)).then(({ collective }) => collective)),
  );
  const means = await Promise.all(plain.map((one, rank) => round(one, rank, 0, true)));
  const expected = { means, states: plain.map(({ state }) => structuredClone(state)) };
  assert.deepEqual(await encoded("words-shared", true), expected);
  assert.deepEqual(await encoded("words-own", false), expected);
});

test("a state is taken over by a thread as by a collective without one", async () => {
  const more = { compress: "top-k:10%" };
  const saved = await Promise.all(
    [0, 1].map(async (rank) => (await openJob(jobOf("state", rank, more), {})).collective),
  );
  await Promise.all(saved.map((collective, rank) => round(collective, rank, 0, true)));
  const next = await Promise.all(
    [0, 1].map(async (rank) => (await openOnThread(jobOf("state-next", rank, more))).collective),
  );
  next.forEach((collective, rank) => collective.restore(saved[rank]!.state));
  const [on, without] = await Promise.all(
    [next, saved].map((pair) => Promise.all(pair.map((one, rank) => round(one, rank, 1, false)))),
  );
  assert.deepEqual(on, without);
  assert.throws(() => next[0]!.restore({}), { code: "state-mismatch" });
});

test("what the thread cannot open is the error that it would be without one", async () => {
  await assert.rejects(openOnThread(jobOf("any", 0, { channel: "nowhere:x" })), {
    ...{ name: "SltrainError", code: "storage-unknown", message: /but got "nowhere:x"/ },
  });
  await assert.rejects(openOnThread(jobOf("any", 7)), { code: "rank-invalid" });
});

test("a round with a missing peer ends at its deadline, and one that is aborted with the reason", async () => {
  const { collective, close } = await openOnThread(jobOf("alone", 0));
  const vector = new Float32Array(layout.length);
  const begin = (step: number, timeoutMs: number, signal?: AbortSignal) => {
    const round = collective.begin({ step, weight: 1, timeoutMs, ...(signal && { signal }) });
    collective.buckets.forEach(({ begin, end }, bucket) => round.push(bucket, vector.subarray(begin, end)));
    return round.finish(new Float64Array(0), vector);
  };
  await assert.rejects(begin(0, 50), (error: SltrainError) => {
    assert.ok(error instanceof SltrainError && error.retryable && error.suggestions.length === 1);
    return error.code === "peer-missing";
  });
  const stop = new AbortController();
  const aborted = begin(1, 60_000, stop.signal);
  stop.abort(new Error("no more"));
  await assert.rejects(aborted, new Error("no more"));
  await close();
});

test("a thread that ends fails what waits for it, and what is asked of it later", async () => {
  const thread = startIoThread();
  const { collective } = await thread.open(jobOf("lost", 0));
  const waiting = collective.reduceScalars({ step: 0, weight: 1, timeoutMs: 60_000 }, new Float64Array(1));
  const failed = assert.rejects(waiting, { code: "thread-lost" });
  await thread.stop();
  await failed;
  await assert.rejects(collective.sweep(1, 0), { code: "thread-lost" });
});

test("errors cross with code, suggestions, stack and causes", () => {
  const cause = new Error("the disk", { cause: "full" });
  const error = new SltrainError({
    ...{ code: "storage-full", message: "no room", suggestions: ["Make some."], retryable: true, cause },
  });
  const received = receivedError(structuredClone(postedError(error)));
  assert.ok(received instanceof SltrainError);
  const shown = ({ code, message, suggestions, retryable, stack }: SltrainError) => ({
    code,
    message,
    suggestions,
    retryable,
    stack,
  });
  assert.deepEqual(shown(received), shown(error));
  assert.ok(received.cause instanceof Error && received.cause.cause instanceof Error);
  assert.deepEqual([received.cause.message, received.cause.cause.message], ["the disk", "full"]);
});
