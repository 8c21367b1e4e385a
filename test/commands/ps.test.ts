// `sltrain ps serve` as a user runs it, and rounds through it.

import assert from "node:assert/strict";
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import { openCollective } from "../../src/allreduce/open-collective.ts";
import { served } from "../../src/allreduce/patterns/served.ts";
import { f32 } from "../../src/shard/codec/f32.ts";
import { eventsOf, sltrain, temporaryFolder, type JsonEvent } from "../support/cli.ts";

const BIN = fileURLToPath(new URL("../../bin/run.js", import.meta.url));

const folder = temporaryFolder();
after(folder.remove);
const TOKEN = "correct horse";
const LENGTH = 100_032;
const layout = { entries: [{ name: "w", shape: [LENGTH], offset: 0, length: LENGTH }], length: LENGTH };

const eventNames = (lines: readonly string[]) => lines.map((line) => (JSON.parse(line) as JsonEvent).event);

interface Server {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  /** The lines that it printed. */
  readonly lines: string[];
  readonly listening: JsonEvent;
  readonly host: string;
  readonly exited: Promise<number | null>;
}

async function startServer(...args: string[]): Promise<Server> {
  const child = spawn(process.execPath, [BIN, "ps", "serve", "--json", ...args], {
    cwd: folder.path,
    stdio: ["ignore", "pipe", "pipe"],
  });
  after(() => child.kill("SIGKILL"));
  const lines: string[] = [];
  const exited = new Promise<number | null>((resolve) => child.once("close", resolve));
  for (const stream of [child.stdout, child.stderr]) {
    createInterface(stream).on("line", (line) => lines.push(line));
  }
  while (lines.length === 0) {
    assert.equal(child.exitCode, null, "the server ended before it listened");
    await sleep(10);
  }
  const listening = JSON.parse(lines[0]!) as JsonEvent;
  return { child, lines, exited, listening, host: (listening.uri as string).slice("ps://".length) };
}

test("a server that is killed in mid-round and started again is told what it lost", async () => {
  const token = "known to all";
  const first = await startServer("--port", "0", "--token", token);
  const join = (rank: number) =>
    openCollective({
      ...{
        channel: { servers: [first.host], token },
        reduce: served(1),
        runId: "killed",
        rank,
        worldSize: 2,
        generation: 0,
        seed: 1,
      },
      ...{ layout, bucketBytes: 1e6, codec: f32, zstd: "auto" },
    });
  const ranks = await Promise.all([join(0), join(1)]);
  const run = async (rank: 0 | 1, step: number) => {
    const round = ranks[rank].begin({ step, weight: 1, timeoutMs: 20_000 });
    round.push(0, new Float32Array(LENGTH).fill(rank + step));
    const mean = new Float32Array(LENGTH);
    const { scalars } = await round.finish(Float64Array.of(rank), mean);
    return { scalars, mean };
  };
  await Promise.all([run(0, 0), run(1, 0)]);
  const waiting = run(0, 1);
  await sleep(50);
  first.child.kill("SIGKILL");
  await first.exited;
  const second = await startServer("--port", first.host.split(":")[1]!, "--token", token);
  const expected = { scalars: Float64Array.of(1), mean: new Float32Array(LENGTH).fill(1.5) };
  assert.deepEqual(await Promise.all([waiting, run(1, 1)]), [expected, expected]);
  await Promise.all(ranks.map((rank) => rank.close()));
  second.child.kill("SIGTERM");
  assert.equal(await second.exited, 0);
  assert.ok(![...first.lines, ...second.lines].join().includes(token));
});

test("a signal ends a server in good order, and the last line tells what it did", async () => {
  const server = await startServer("--port", "0");
  assert.match(server.listening.token as string, /^[\w-]{32}$/);
  server.child.kill("SIGINT");
  assert.equal(await server.exited, 0);
  const { event, runs, framesIn } = JSON.parse(server.lines.at(-1)!) as JsonEvent;
  assert.deepEqual({ event, runs, framesIn }, { event: "server.stopped", runs: 0, framesIn: 0 });
});

test("a server that others can reach is refused without a token", async () => {
  const { code, stderr } = await sltrain(["ps", "serve", "--host", "0.0.0.0"], folder.path);
  assert.equal(code, 1);
  assert.match(stderr, /expected a token for --host 0\.0\.0\.0/);
});

test("a run through two servers gives the model that a run through files gives, and leaves nothing on them", async () => {
  const servers = await Promise.all([
    startServer("--port", "0", "--token", TOKEN),
    startServer("--port", "0", "--token", TOKEN),
  ]);
  const small = [
    "train",
    "--model",
    "lr",
    "--data",
    "random-binary:6000",
    "--epochs",
    "2",
    "--workers",
    "2",
    "--json",
  ];
  process.env.SLTRAIN_PS_TOKEN = TOKEN;
  const through = `ps://${servers.map(({ host }) => host).join(",")}`;
  const served = await sltrain([...small, "--run-id", "served", "--channel", through], folder.path);
  const filed = await sltrain([...small, "--run-id", "filed"], folder.path);
  const [a, b] = [served, filed].map((ended) => eventsOf(ended).at(-1)!);
  assert.equal(a!.event, "run.completed", served.stdout + served.stderr);
  assert.equal(a!.parametersSha256, b!.parametersSha256);
  const runs = readFileSync(join(folder.path, ".sltrain/runs/served/manifest.json"), "utf8");
  assert.ok(!(served.stdout + served.stderr + runs).includes(TOKEN));
  for (const { lines } of servers)
    assert.deepEqual(eventNames(lines), ["server.listening", "run.joined", "run.forgotten"]);
});
