// Ranks of one process that exchange through parameter servers of this process, over real HTTP.

import assert from "node:assert/strict";
import { after } from "node:test";
import type { Collective } from "../../src/allreduce/collective.ts";
import type { OnLate } from "../../src/allreduce/frame-coder.ts";
import { openCollective } from "../../src/allreduce/open-collective.ts";
import { served } from "../../src/allreduce/patterns/served.ts";
import type { SltrainError } from "../../src/errors.ts";
import { type RunningServer, startParameterServer } from "../../src/ps/server.ts";
import type { Codec } from "../../src/shard/codec/codec.ts";
import { f32 } from "../../src/shard/codec/f32.ts";
import type { Layout } from "../../src/shard/layout.ts";
import {
  coded as codedError,
  layout,
  type Outcome,
  type Part,
  partOf as modelPartOf,
  range,
  type RunOptions,
  runRound,
} from "../contract/round.ts";

const TOKEN = "correct horse";
const statistics: Layout = { entries: [{ name: "mean", shape: [64], offset: 0, length: 64 }], length: 64 };
export const LENGTH = layout.length + statistics.length;

const started: RunningServer[] = [];
after(() => Promise.all(started.map((server) => server.close())));
export async function startServer({ port = 0, memoryBytes = 1e9 } = {}): Promise<RunningServer> {
  const server = await startParameterServer({
    ...{ host: "127.0.0.1", port, token: TOKEN, memoryBytes },
    onRun: () => undefined,
  });
  started.push(server);
  return server;
}
export const shared = [await startServer(), await startServer()];
const opened: Collective[] = [];
after(() => Promise.all(opened.map((collective) => collective.close())));
let runs = 0;

interface RunChoice {
  readonly servers?: readonly RunningServer[];
  readonly worldSize?: number;
  readonly runId?: string;
  readonly codec?: Codec;
  readonly zstd?: "on" | "off";
}

/** Joins ranks of one run; by default all of a new one. */
export function world(options: RunChoice = {}) {
  const { servers = shared.slice(0, 1), worldSize = 3, runId = `run-${runs++}` } = options;
  const { codec = f32, zstd = "off" } = options;
  const join = async (
    rank: number,
    {
      token = TOKEN,
      ...more
    }: { generation?: number; token?: string; seed?: number; leaseMs?: number; onLate?: OnLate } = {},
  ) => {
    const channel = { servers: servers.map(({ port }) => `127.0.0.1:${port}`), token };
    const collective = await openCollective({
      ...{ channel, reduce: served(servers.length), runId, rank, worldSize },
      ...{ generation: 0, seed: 1, layout, statistics, bucketBytes: 256, codec, zstd },
      ...more,
    });
    opened.push(collective);
    return collective;
  };
  return { runId, worldSize, join, joinAll: () => Promise.all(range(worldSize).map((rank) => join(rank))) };
}

/** A rank's part, statistics behind its gradient. */
export const partOf = (rank: number, step: number, salt = 0): Part => modelPartOf(rank, step, salt, LENGTH);

export const runAll = (
  ranks: readonly Collective[],
  step: number,
  options?: RunOptions,
): Promise<Outcome[]> => Promise.all(ranks.map((rank, r) => runRound(rank, step, partOf(r, step), options)));

/** Added in rank order in float64, divided once: what every owner of a chunk computes too. */
export function assertExact(worldSize: number, step: number, outcomes: readonly Outcome[]): void {
  const parts = range(worldSize).map((rank) => partOf(rank, step));
  const weight = parts.reduce((total, part) => total + part.weight, 0);
  const mean = Float32Array.from(
    { length: LENGTH },
    (_, i) => parts.reduce((total, { sums }) => total + sums[i]!, 0) / weight,
  );
  const scalars = Float64Array.from({ length: 3 }, (_, i) =>
    parts.reduce((total, part) => total + part.scalars[i]!, 0),
  );
  for (const outcome of outcomes) {
    assert.deepEqual(outcome.result, { weight, scalars });
    assert.equal(Buffer.compare(Buffer.from(outcome.mean.buffer), Buffer.from(mean.buffer)), 0);
  }
}

/** As the contract's; and the error does not show the token. */
export const coded =
  (code: string, ...words: string[]) =>
  (error: unknown): boolean => {
    const { message, suggestions } = error as SltrainError;
    assert.ok(!JSON.stringify([message, suggestions]).includes(TOKEN));
    return codedError(code, ...words)(error);
  };
