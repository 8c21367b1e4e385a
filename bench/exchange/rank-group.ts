// All ranks of a bench, as processes or as tasks of this process, called together. The first failure of a rank is the
// group's; whoever started it closes it then, and no process is left.

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { SltrainError } from "../../src/errors.ts";
import { Rank } from "./rank.ts";
import type { Answer, Call } from "./rank-process.ts";
import { nowMs } from "./system-clock.ts";

type Argument<K extends keyof Rank> = Parameters<Rank[K]>[0];
type Value<K extends keyof Rank> = Awaited<ReturnType<Rank[K]>>;

export interface RankGroup {
  readonly worldSize: number;
  readonly ranksAre: "processes" | "tasks";
  /** Calls `method` on all ranks at once, `argumentOf` each; the values by rank. `one` calls it on rank 0 alone. */
  all<K extends keyof Rank>(method: K, argumentOf: (rank: number) => Argument<K>): Promise<Value<K>[]>;
  one<K extends keyof Rank>(method: K, argument: Argument<K>): Promise<Value<K>>;
  /** A moment at which all ranks can begin a call that is made now. */
  startMs(): number;
  /** Ends all processes, whatever they are at. */
  close(): Promise<void>;
}

/** In which a call reaches every process. */
const CALL_MS = 4;
/** In which a process whose parent has left ends by itself. */
const END_MS = 2_000;

export function startProcesses(worldSize: number): RankGroup {
  const script = import.meta.url.endsWith(".ts") ? "rank-process.ts" : "rank-process.js";
  const path = fileURLToPath(new URL(script, import.meta.url));
  const children = Array.from({ length: worldSize }, () =>
    fork(path, { serialization: "advanced", stdio: ["ignore", "ignore", "inherit", "ipc"] }),
  );
  return {
    worldSize,
    ranksAre: "processes",
    all: <K extends keyof Rank>(method: K, argumentOf: (rank: number) => Argument<K>) =>
      Promise.all(
        children.map((child, rank) => ask<Value<K>>(child, rank, { method, argument: argumentOf(rank) })),
      ),
    one: (method, argument) => ask(children[0]!, 0, { method, argument }),
    startMs: () => nowMs() + CALL_MS,
    close: async () => {
      await Promise.all(children.map(end));
    },
  };
}

/** Many ranks on few cores, where a channel's latency and not their own work decides. */
export function startTasks(worldSize: number): RankGroup {
  const ranks = Array.from({ length: worldSize }, () => new Rank());
  const call = <K extends keyof Rank>(rank: Rank, method: K, argument: Argument<K>): Promise<Value<K>> =>
    (rank[method] as (argument: Argument<K>) => Promise<Value<K>>).call(rank, argument);
  return {
    worldSize,
    ranksAre: "tasks",
    all: <K extends keyof Rank>(method: K, argumentOf: (rank: number) => Argument<K>) =>
      Promise.all(ranks.map((rank, r) => call(rank, method, argumentOf(r)))),
    one: (method, argument) => call(ranks[0]!, method, argument),
    startMs: nowMs,
    close: () => Promise.resolve(),
  };
}

function ask<V>(child: ChildProcess, rank: number, call: Call): Promise<V> {
  return new Promise((resolve, reject) => {
    const ended = (): void => reject(rankEnded(rank, child, call));
    child.once("exit", ended);
    child.once("error", reject);
    child.once("message", (answer: Answer) => {
      child.off("exit", ended).off("error", reject);
      if ("error" in answer) reject(new SltrainError(answer.error));
      else resolve(answer.value as V);
    });
    if (child.connected) child.send(call);
    else ended();
  });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  if (child.connected) child.disconnect();
  const timer = setTimeout(() => child.kill("SIGKILL"), END_MS);
  await exit;
  clearTimeout(timer);
}

function rankEnded(rank: number, { exitCode, signalCode }: ChildProcess, { method }: Call): SltrainError {
  return new SltrainError({
    code: "bench-rank-ended",
    message: `bench: expected rank ${rank} to answer ${method}, but its process ended with ${signalCode ?? exitCode ?? "no code"}`,
    suggestions: ["All ranks share this machine's memory: try fewer --workers or --bytes."],
  });
}
