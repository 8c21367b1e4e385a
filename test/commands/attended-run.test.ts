// A run whose coordinator or workers come and go, as a user sees it: real processes, real storage.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { after, test } from "node:test";
import { writeImages } from "../../bench/chaos/data.ts";
import { eventsOf, lastEvent, sltrain, startSltrain, temporaryFolder } from "../support/cli.ts";

const folder = temporaryFolder();
after(folder.remove);
// Who is dead is told sooner than by default.
const settings = { leaseMs: 500, storage: "fs:.sltrain?latencyMs=5" };
writeFileSync(join(folder.path, "sltrain.config.json"), JSON.stringify(settings));
/** 252 steps, each of which waits for the storage: on any machine there are seconds to strike in. */
const data = writeImages(join(folder.path, "images"), 6_000);
const longRun = ["train", "--model", "lenet5", "--data", data, "--epochs", "3", "--workers", "2", "--json"];
let undisturbedSha256: Promise<unknown> | undefined;

/** The parameters of the long run when nothing happens to it. */
function undisturbed(): Promise<unknown> {
  undisturbedSha256 ??= sltrain(longRun, folder.path).then((ended) => lastEvent(ended).parametersSha256);
  return undisturbedSha256;
}

/** Kills the newest generation of these ranks, or of all. */
function killWorkers(runId: string, ranks = [0, 1]): void {
  for (const rank of ranks) {
    const path = join(folder.path, ".sltrain/runs", runId, "heartbeats/0", String(rank), "0.json");
    process.kill((JSON.parse(readFileSync(path, "utf8")) as { pid: number }).pid, "SIGKILL");
  }
}

/** Starts a run that would take long, and resolves once it has passed its first checkpoint. */
async function startLongRun(runId: string, args = longRun) {
  const running = startSltrain([...args, "--run-id", runId], folder.path);
  const checkpoints = join(folder.path, ".sltrain", "runs", runId, "checkpoints");
  while (!existsSync(checkpoints) || readdirSync(checkpoints).length === 0) {
    assert.equal(running.child.exitCode, null, "the run ended before its first checkpoint");
    await sleep(20);
  }
  return running;
}

test("a run stopped by Ctrl-C exits with 130 and resumes to the bits of an undisturbed one", async () => {
  const long = await startLongRun("stopped");
  long.child.kill("SIGINT");
  const stopped = await long.ended;
  assert.equal(stopped.code, 130, stopped.stdout + stopped.stderr);
  assert.equal(lastEvent(stopped).event, "run.stopped");
  assert.equal(lastEvent(stopped).resume, "sltrain train --run-id stopped");

  const resumed = lastEvent(await sltrain(["train", "--run-id", "stopped", "--json"], folder.path));
  assert.equal(resumed.event, "run.completed");
  assert.equal(resumed.parametersSha256, await undisturbed());
});

test("a run under way is attached to by its name, and both see it end", async () => {
  const first = await startLongRun("twice");
  const second = await sltrain(["train", "--run-id", "twice", "--json"], folder.path);
  assert.equal(second.code, 0, second.stdout + second.stderr);
  const [one, other] = [lastEvent(await first.ended), lastEvent(second)];
  assert.equal(one.event, "run.completed");
  assert.equal(other.parametersSha256, one.parametersSha256);
});

test("a run whose coordinator is killed goes on without it, and is then finished from any folder", async () => {
  const run = await startLongRun("orphaned");
  run.child.kill("SIGKILL");
  await run.ended;
  mkdirSync(join(folder.path, "elsewhere"));
  const watch = ["runs", "watch", "orphaned", "--storage", "fs:../.sltrain", "--json"];
  const watched = await sltrain(watch, join(folder.path, "elsewhere"));
  const events = eventsOf(watched);
  assert.equal(events.filter(({ event }) => event === "epoch").length, 3);
  assert.equal(lastEvent(watched).event, "run.completed", watched.stdout);
  assert.ok(existsSync(join(folder.path, "elsewhere", lastEvent(watched).modelPath as string)));
});

test("a run whose coordinator and workers are all dead goes on at once from where it was", async () => {
  const run = await startLongRun("dead");
  run.child.kill("SIGKILL");
  await run.ended;
  killWorkers("dead");
  const stopped = await sltrain(["runs", "stop", "dead", "--json"], folder.path);
  assert.equal(lastEvent(stopped).code, "run-dead", stopped.stdout);
  const resumed = lastEvent(await sltrain(["train", "--run-id", "dead", "--json"], folder.path));
  assert.equal(resumed.event, "run.completed");
  assert.ok((resumed.restarts as number) >= 2);
  assert.equal(resumed.parametersSha256, await undisturbed());
});

test("a worker that is killed is started again, and the result is that of an undisturbed run", async () => {
  const long = await startLongRun("killed");
  killWorkers("killed", [1]);
  const ended = await long.ended;
  const events = eventsOf(ended);
  const restarted = events.find(({ event, rank }) => event === "worker.restarted" && rank === 1);
  assert.equal(restarted?.generation, 1, ended.stdout);
  const completed = lastEvent(ended);
  assert.equal(completed.event, "run.completed");
  // A busy machine may have had others taken for dead as well.
  assert.ok((completed.generations as number) > 1 && (completed.restarts as number) > 0);
  assert.equal(completed.parametersSha256, await undisturbed());
  const { stdout } = await sltrain(["runs", "logs", "killed", "--rank", "1", "--json"], folder.path);
  const lines = stdout.trimEnd().split("\n");
  const owners = lines.map((line) => (JSON.parse(line) as { owner: { generation: number } }).owner);
  assert.ok(new Set(owners.map(({ generation }) => generation)).has(1), stdout);
});

test("where a single worker cannot be replaced, a new crew goes on from the newest checkpoint", async () => {
  const args = ["train", "--model", "lr", "--data", "random-binary:20000", "--epochs", "8", "--json"];
  // Its many steps wait for nobody, so that the storage need not.
  const quick = ["--storage", "fs:.sltrain", "--workers", "2", "--sync", "ssp:4"];
  const run = await startLongRun("stale", [...args, ...quick]);
  killWorkers("stale", [1]);
  const ended = await run.ended;
  assert.ok(eventsOf(ended).some(({ event, attempt }) => event === "run.restarted" && attempt === 1));
  const { event, epochs, accuracy } = lastEvent(ended);
  assert.deepEqual([event, epochs], ["run.completed", 8], ended.stdout);
  assert.ok((accuracy as number) > 0.7);
});

for (const orchestration of ["starter", "coordinator"]) {
  test(`functions of 3 seconds train to the same bits whoever starts them: ${orchestration}`, async () => {
    const ended = await sltrain(
      [...longRun, "--timeout-s", "3", "--orchestration", orchestration],
      folder.path,
    );
    const completed = lastEvent(ended);
    assert.equal(completed.event, "run.completed", ended.stdout);
    assert.equal(completed.parametersSha256, await undisturbed());
    const ofWorkers = (completed.byWorker as { gbSeconds: number }[]).reduce(
      (sum, { gbSeconds }) => sum + gbSeconds,
      0,
    );
    const ofStarters = (completed.gbSeconds as number) - ofWorkers;
    assert.ok(orchestration === "starter" ? ofStarters > 0.01 : Math.abs(ofStarters) < 1e-9, `${ofStarters}`);
  });
}

test("a detached run is left to itself, can be watched and be stopped", async () => {
  const args = ["train", "--model", "lenet5", "--epochs", "40", "--run-id", "detached", "--detach"];
  const left = await sltrain([...args, "--json"], folder.path);
  assert.equal(left.code, 0, left.stderr);
  assert.deepEqual(lastEvent(left), {
    ...{ event: "run.detached", runId: "detached", watch: "sltrain runs watch detached" },
  });
  const watching = startSltrain(["runs", "watch", "detached"], folder.path);
  const stopped = await sltrain(["runs", "stop", "detached", "--json"], folder.path);
  assert.equal(stopped.code, 0, stopped.stderr);
  assert.equal(lastEvent(stopped).event, "run.stopped");
  assert.equal(lastEvent(stopped).reason, "stop-requested");
  assert.match((await watching.ended).stdout, /^stopped after/m);
});

for (const [flag, value, reason] of [
  ["--deadline", "2s", "deadline-reached"],
  ["--budget-usd", "0.0001", "budget-reached"],
] as const) {
  test(`a run with ${flag} stops by itself, and goes on with another`, async () => {
    const id = ["--run-id", `limited${flag}`];
    const args = ["train", "--model", "lenet5", "--epochs", "400", "--workers", "1", ...id];
    const stopped = await sltrain([...args, flag, value, "--json"], folder.path);
    assert.equal(stopped.code, 0, stopped.stderr);
    const { event, reason: got, costUsd } = lastEvent(stopped);
    assert.equal(event, "run.stopped");
    assert.equal(got, reason);
    if (reason === "budget-reached") assert.ok((costUsd as { total: number }).total <= Number(value));
    const again = await sltrain(["train", ...id, flag, "0.00001", "--json"], folder.path);
    assert.equal(lastEvent(again).code, reason === "budget-reached" ? "budget-spent" : "config-bad-value");
  });
}
