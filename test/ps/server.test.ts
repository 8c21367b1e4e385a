// What a server answers to requests that are none of ours, and to frames that are not what they should be.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { request } from "undici";
import {
  PROTOCOL_VERSION,
  type Joined,
  type RunDescription,
  type ServerReport,
} from "../../src/allreduce/ps/protocol.ts";
import type { ErrorRecord } from "../../src/errors.ts";
import { serve, type ServerEvent } from "../../src/ps/serve.ts";
import { startParameterServer } from "../../src/ps/server.ts";
import { roomFor } from "../../src/shard/codec/codec.ts";
import { f32 } from "../../src/shard/codec/f32.ts";
import { NO_ABSENT, NO_PEAKS, NO_SCALARS } from "../../src/allreduce/rank-ordered-sum.ts";
import { encodeFrame, runNumber } from "../../src/shard/frame.ts";

const TOKEN = "correct horse";
const ELEMENTS = 128;
const options = { host: "127.0.0.1", port: 0, token: TOKEN, memoryBytes: 1e6, onRun: () => undefined };
const server = await startParameterServer(options);
after(() => server.close());
const root = `http://127.0.0.1:${server.port}/v1`;
const headers = { authorization: `Bearer ${TOKEN}` };

async function ask(method: "GET" | "PUT" | "DELETE", path: string, body: string | Buffer | null = null) {
  const answer = await request(root + path, { method, body, headers });
  return { status: answer.statusCode, text: await answer.body.text() };
}

const description: RunDescription = {
  ...{ version: PROTOCOL_VERSION, worldSize: 2, seed: 1, server: 0 },
  lanes: [{ codec: f32.id, parameter: 0, apart: false, pieces: [[0, 0, ELEMENTS]] }],
};
async function join(runId: string): Promise<string> {
  const { text } = await ask("PUT", `/runs/${runId}`, JSON.stringify(description));
  return `/runs/${runId}/${(JSON.parse(text) as Joined).incarnation}`;
}

function frameOf(runId: string, { rank = 0, step = 0, elements = ELEMENTS } = {}): Buffer {
  const { rest, compressible } = f32.encode(new Float32Array(elements).fill(1), roomFor(f32, elements), 0);
  const content = {
    generation: 0,
    contributors: 1,
    weight: 1,
    scalars: NO_SCALARS,
    peaks: NO_PEAKS,
    absent: NO_ABSENT,
    zstd: false,
  };
  const identity = { run: runNumber(runId), lane: 0, level: 0, step, bucket: 0, piece: 0, rank, elements };
  return Buffer.concat(encodeFrame(identity, f32, content, [rest, compressible]));
}

function assertRefused(
  { status, text }: { status: number; text: string },
  expected: number,
  code: string,
): void {
  const error = JSON.parse(text) as ErrorRecord;
  assert.deepEqual([status, error.code], [expected, code], error.message);
  assert.ok(!text.includes(TOKEN));
}

test("a request without the token is answered with nothing but that", async () => {
  for (const authorization of [undefined, `Bearer ${TOKEN}x`, TOKEN]) {
    const answer = await request(root, { headers: authorization === undefined ? {} : { authorization } });
    assertRefused({ status: answer.statusCode, text: await answer.body.text() }, 401, "ps-unauthorized");
  }
});

test("a frame is stored once, and the first of a rank and step is the one that counts", async () => {
  const run = await join("twice");
  const first = await ask("PUT", `${run}/0/0/0/0/0/0`, frameOf("twice"));
  const again = await ask("PUT", `${run}/0/0/0/0/0/0`, frameOf("twice"));
  assert.deepEqual([first.status, again.status], [201, 200]);
  const missing = await ask("GET", `${run}/0/0/missing?rank=0`);
  assert.deepEqual(JSON.parse(missing.text), [{ bucket: 0, piece: 0, ranks: [1] }]);
});

test("a damaged or foreign frame is refused, and the rank may send a right one", async () => {
  const run = await join("damaged");
  const whole = frameOf("damaged");
  const flipped = Buffer.from(whole);
  flipped[whole.length - 3]! ^= 4;
  const wrong: readonly (readonly [Buffer, string])[] = [
    [flipped, "frame-damaged"],
    [whole.subarray(0, -1), "frame-damaged"],
    [whole.subarray(0, 30), "frame-damaged"],
    [frameOf("another"), "frame-foreign"],
    [frameOf("damaged", { step: 3 }), "frame-foreign"],
    [frameOf("damaged", { rank: 1 }), "frame-foreign"],
    [frameOf("damaged", { elements: 64 }), "frame-foreign"],
    [Buffer.alloc(10_000), "body-invalid"],
  ];
  for (const [frame, code] of wrong) assertRefused(await ask("PUT", `${run}/0/0/0/0/0/0`, frame), 400, code);
  assert.equal((await ask("PUT", `${run}/0/0/0/0/0/0`, whole)).status, 201);
});

test("a piece, rank, lane, level or path that is none is refused", async () => {
  const run = await join("places");
  const frame = frameOf("places");
  assertRefused(await ask("PUT", `${run}/0/0/0/1/0/0`, frame), 400, "piece-unknown");
  assertRefused(await ask("PUT", `${run}/0/0/0/0/0/2`, frame), 400, "rank-invalid");
  assertRefused(await ask("PUT", `${run}/0/-1/0/0/0/0`, frame), 400, "number-invalid");
  assertRefused(await ask("PUT", `${run}/7/0/0/0/0/0`, frame), 400, "lane-unknown");
  assertRefused(await ask("PUT", `${run}/0/0/5/0/0/0`, frame), 400, "level-unknown");
  assertRefused(await ask("GET", "/elsewhere"), 404, "route-unknown");
});

test("a description that cannot be is refused", async () => {
  const wrong: readonly [object, string][] = [
    [{ ...description, worldSize: 0 }, "worldSize"],
    [{ ...description, lanes: [{ ...description.lanes[0]!, pieces: [[0, 0]] }] }, "lanes"],
    [{ ...description, version: 99 }, "version"],
    [{ ...description, lanes: [{ ...description.lanes[0]!, codec: 250 }] }, "codec"],
  ];
  for (const [body, name] of wrong) {
    const answer = await ask("PUT", "/runs/wrong", JSON.stringify(body));
    assertRefused(answer, 400, name === "codec" ? "codec-invalid" : "request-invalid");
  }
  assertRefused(await ask("PUT", "/runs/wrong", "{"), 400, "request-invalid");
});

test("a run that was forgotten has another incarnation when it is joined again", async () => {
  const before = await join("forgotten");
  assert.equal((await ask("GET", before)).status, 204);
  assert.equal((await ask("DELETE", "/runs/forgotten")).status, 204);
  assertRefused(await ask("GET", before), 409, "run-forgotten");
  const again = await join("forgotten");
  assert.notEqual(again, before);
  assertRefused(await ask("PUT", `${before}/0/0/0/0/0/0`, frameOf("forgotten")), 409, "run-forgotten");
});

test("a server tells where it listens, and a token only if it made it", async () => {
  for (const token of [undefined, "given"]) {
    const events: ServerEvent[] = [];
    const stop = new AbortController();
    const ended = serve({
      ...{ host: "127.0.0.1", port: 0, token, memoryBytes: 1e6, signal: stop.signal },
      onEvent: (event) => {
        events.push(event);
        stop.abort();
      },
    });
    await ended;
    const [listening, stopped] = events as [
      ServerEvent & { uri: string; token?: string },
      ServerEvent & ServerReport,
    ];
    assert.match(listening.uri, /^ps:\/\/127\.0\.0\.1:\d+$/);
    assert.equal(listening.token === undefined, token !== undefined);
    assert.deepEqual([stopped.event, stopped.framesIn], ["server.stopped", 0]);
  }
});

test("a server that others can reach wants a token, and a port that is taken is an error", async () => {
  const rest = { memoryBytes: 1e6, onEvent: () => undefined, signal: AbortSignal.abort() };
  await assert.rejects(serve({ ...rest, host: "0.0.0.0", port: 0, token: undefined }), {
    code: "token-missing",
  });
  await assert.rejects(serve({ ...rest, host: "127.0.0.1", port: server.port, token: "t" }), {
    code: "ps-listen",
  });
});
