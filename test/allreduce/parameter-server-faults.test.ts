// Parameter servers that are short of memory, are restarted, are gone, or are asked by the wrong.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { range, runRound, TIMEOUT_MS } from "../contract/round.ts";
import { assertExact, coded, LENGTH, partOf, runAll, shared, startServer, world } from "./served-group.ts";

describe("memory", () => {
  test("is bounded by the steps between two durable checkpoints", async () => {
    const server = await startServer();
    const ranks = await world({ servers: [server] }).joinAll();
    const held: number[] = [];
    for (const step of range(20)) {
      await Promise.all(ranks.map((rank) => rank.sweep(step, step - 2)));
      await runAll(ranks, step);
      const scalars = { step, weight: 1, timeoutMs: TIMEOUT_MS };
      await Promise.all(ranks.map((rank) => rank.reduceScalars(scalars, Float64Array.of(1))));
      held.push(server.report().heldBytes);
    }
    assert.ok(Math.max(...held.slice(5)) <= Math.max(...held.slice(0, 5)), held.join(", "));
  });

  test("that is short costs the means that only a rank that starts anew could ask for", async () => {
    const large = await startServer();
    await world({ servers: [large] }).joinAll();
    const server = await startServer({ memoryBytes: large.report().heldBytes + 5 * 4 * LENGTH });
    const group = world({ servers: [server] });
    const ranks = await group.joinAll();
    for (const step of range(20)) {
      assertExact(3, step, await runAll(ranks, step));
      assert.ok(server.report().heldBytes <= server.report().limitBytes);
    }
    const again = await group.join(1, { generation: 1 });
    await assert.rejects(runRound(again, 3, partOf(1, 3)), coded("mean-forgotten", "step 3", "127.0.0.1"));
    assertExact(3, 18, [await runRound(await group.join(1), 18, partOf(1, 18))]);
  });

  test("that a run does not fit into is an error at its start, which names both sizes", async () => {
    const server = await startServer({ memoryBytes: 50_000 });
    await assert.rejects(world({ servers: [server] }).join(0), coded("ps-full", "48.8 KiB", "127.0.0.1"));
  });
});

describe("a server that is restarted in mid-round", () => {
  test("is told again what it lost, whether its ranks have their means or not", async () => {
    for (const ahead of range(4)) {
      const server = await startServer();
      const ranks = await world({ servers: [server, shared[1]!] }).joinAll();
      assertExact(3, 0, await runAll(ranks, 0));
      // The first `ahead` ranks are in step 1 with all they have; the others come after the restart.
      const early = ranks.slice(0, ahead).map((rank, r) => runRound(rank, 1, partOf(r, 1)));
      await sleep(20);
      await server.close();
      await startServer({ port: server.port });
      const late = ranks.slice(ahead).map((rank, r) => runRound(rank, 1, partOf(r + ahead, 1)));
      assertExact(3, 1, await Promise.all([...early, ...late]));
      assertExact(3, 2, await runAll(ranks, 2));
    }
  });

  test("gets a mean from those who had it, for a rank that had not", async () => {
    const server = await startServer();
    const group = world({ servers: [server] });
    const ranks = await group.joinAll();
    const others = [0, 1].map((rank) => runRound(ranks[rank]!, 0, partOf(rank, 0)));
    // Rank 2 sends all, and dies before it has read the means.
    const stop = new AbortController();
    const dying = runRound(ranks[2]!, 0, partOf(2, 0), { signal: stop.signal });
    dying.catch(() => undefined);
    await Promise.all(others);
    stop.abort(new Error("killed"));
    await server.close();
    await startServer({ port: server.port });
    const next = [0, 1].map((rank) => runRound(ranks[rank]!, 1, partOf(rank, 1)));
    const restarted = await group.join(2, { generation: 1 });
    assertExact(3, 0, [await runRound(restarted, 0, partOf(2, 0))]);
    assertExact(3, 1, [await runRound(restarted, 1, partOf(2, 1)), ...(await Promise.all(next))]);
  });

  test("learns of a mean also from ranks that wait for scalars on another server", async () => {
    const server = await startServer();
    const group = world({ servers: [shared[0]!, server], worldSize: 2 });
    const ranks = await group.joinAll();
    const ahead = runRound(ranks[0]!, 0, partOf(0, 0));
    await runRound(ranks[1]!, 0, partOf(1, 0));
    await ahead;
    const scalars = { step: 0, weight: 1, timeoutMs: TIMEOUT_MS };
    const waiting = ranks[0]!.reduceScalars(scalars, Float64Array.of(1));
    await server.close();
    await startServer({ port: server.port });
    const restarted = await group.join(1, { generation: 1 });
    assertExact(2, 0, [await runRound(restarted, 0, partOf(1, 0))]);
    await restarted.reduceScalars(scalars, Float64Array.of(1));
    assert.equal((await waiting).weight, 2);
  });
});

test("ranks that wait for means are told whom the servers wait for", async () => {
  const group = world({ servers: shared });
  const told = Promise.withResolvers<readonly number[]>();
  const ranks = await Promise.all(
    range(3).map((rank) => group.join(rank, { leaseMs: 20, onLate: told.resolve })),
  );
  const present = [0, 2].map((rank) => runRound(ranks[rank]!, 0, partOf(rank, 0)));
  assert.deepEqual(await told.promise, [1]);
  assertExact(3, 0, await Promise.all([...present, runRound(ranks[1]!, 0, partOf(1, 0))]));
});

describe("an error", () => {
  test("names rank, step and key of a peer that does not come", async () => {
    const { runId, joinAll } = world();
    const ranks = await joinAll();
    const present = [0, 2].map((r) => runRound(ranks[r]!, 5, partOf(r, 5), { timeoutMs: 100 }));
    for (const round of await Promise.allSettled(present)) {
      assert.ok(round.status === "rejected");
      assert.ok(coded("peer-missing", "rank 1", "step 5", runId)(round.reason));
    }
  });

  test("names server, rank and step when a server is gone for good", async () => {
    const server = await startServer();
    const ranks = await world({ servers: [server], worldSize: 2 }).joinAll();
    await runAll(ranks, 0);
    await server.close();
    for (const round of await Promise.allSettled(
      ranks.map((rank, r) => runRound(rank, 1, partOf(r, 1), { timeoutMs: 100 })),
    )) {
      assert.ok(round.status === "rejected");
      assert.ok(coded("ps-unreachable", `127.0.0.1:${server.port}`, "step 1")(round.reason));
    }
  });

  test("comes on every rank of a round without samples", async () => {
    const ranks = await world({ worldSize: 2 }).joinAll();
    const rounds = ranks.map((rank, r) => runRound(rank, 7, { ...partOf(r, 0), weight: 0 }));
    for (const round of await Promise.allSettled(rounds)) {
      assert.ok(round.status === "rejected" && coded("weight-zero", "step 7")(round.reason));
    }
  });

  test("is the reason with which a round is aborted", async () => {
    const [rank] = await world().joinAll();
    const stop = new AbortController();
    const reason = new Error("stop asked for");
    const ended = assert.rejects(runRound(rank!, 0, partOf(0, 0), { signal: stop.signal }), reason);
    await sleep(10);
    stop.abort(reason);
    await ended;
  });

  test("tells a wrong token, another configuration, and a rank that cannot be", async () => {
    const group = world();
    await group.join(0);
    await assert.rejects(group.join(1, { token: "guess" }), coded("ps-unauthorized", "127.0.0.1"));
    await assert.rejects(group.join(1, { seed: 2 }), coded("run-differs", group.runId));
    await assert.rejects(group.join(3), coded("rank-invalid", "below 3", "3"));
  });
});
