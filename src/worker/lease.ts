// Who acts as which generation of a rank. A lease guards nothing: two workers of one rank write the same. It lets all but
// the newest end soon, and it tells a duplicate or late start whether anybody needs it.

import { setTimeout } from "node:timers/promises";
import { getJson, putOwnJson } from "../run/json-object.ts";
import { newestGeneration, type RankPlace } from "../run/observe-rank.ts";
import type { Heartbeat, Lease, StartReason } from "../run/records.ts";

export interface ClaimOptions extends RankPlace {
  /** Wanted. */
  readonly generation: number;
  readonly reason: StartReason;
  readonly requestId: string;
  /** Whoever gives no sign of life for so long is dead. */
  readonly silenceMs: number;
}

/** Looks at a holder, from one sign of life to the next. */
const LOOKS = 8;

/**
 * The generation that this worker is to act as; undefined if the rank needs no other worker. Whoever finds the wanted one
 * held claims the next, but only if the newest holder is dead: an invocation that is delivered twice, or repeated after a
 * crash, is of use or ends. A copy of a slow worker asks when it has come as far as that one.
 */
export async function claim(options: ClaimOptions): Promise<number | undefined> {
  const { generation, reason } = options;
  if (reason === "speculation") {
    if (await needsNobody(options)) return undefined;
    return (await putLease(options, generation)) ? generation : undefined;
  }
  const [isFirst, isLate] = await Promise.all([putLease(options, generation), needsNobody(options)]);
  if (isFirst && isLate) await options.storage.delete([leaseKey(options, generation)]);
  if (isLate) return undefined;
  if (isFirst) return generation;
  const newest = await newestGeneration(options);
  if (await isAlive(options, newest)) return undefined;
  return (await putLease(options, newest + 1)) ? newest + 1 : undefined;
}

function leaseKey({ keys, attempt, rank }: RankPlace, generation: number): string {
  return keys.lease(attempt, rank, generation);
}

/** Whether this worker holds it. */
function putLease(options: ClaimOptions, generation: number): Promise<boolean> {
  const { storage, requestId, reason } = options;
  const lease: Omit<Lease, "nonce"> = { requestId, reason, at: new Date().toISOString() };
  return putOwnJson(storage, leaseKey(options, generation), lease);
}

/** Whether the holder, or the run while it needs nothing of the holder, gives a sign of life in time. */
async function isAlive(options: ClaimOptions, generation: number): Promise<boolean> {
  const before = await signOfLife(options, generation);
  for (let look = 0; look < LOOKS; look++) {
    await setTimeout(options.silenceMs / LOOKS);
    if ((await needsNobody(options)) || (await signOfLife(options, generation)) !== before) return true;
  }
  return false;
}

/** Changes while the generation, or one after it, lives: it beats while its peers wait for it, and else the run goes on. */
async function signOfLife(options: ClaimOptions, generation: number): Promise<string> {
  const { storage, keys, attempt, rank } = options;
  const [beat, next, leader] = await Promise.all([
    getJson<Heartbeat>(storage, keys.heartbeat(attempt, rank, generation)),
    getJson<Lease>(storage, leaseKey(options, generation + 1)),
    rank === 0 ? undefined : newestStep({ ...options, rank: 0 }),
  ]);
  return JSON.stringify([beat?.beat, next?.nonce, leader]);
}

async function newestStep(of: RankPlace): Promise<number | undefined> {
  const { storage, keys, attempt, rank } = of;
  const generation = await newestGeneration(of);
  return (await getJson<Heartbeat>(storage, keys.heartbeat(attempt, rank, Math.max(0, generation))))?.step;
}

/** Whether a rank needs no worker any more: it has ended, or its run has, or another crew has taken it up. */
async function needsNobody({ storage, keys, attempt, rank }: RankPlace): Promise<boolean> {
  const signs = [
    keys.result(attempt, rank),
    keys.workerFailure(attempt, rank),
    keys.summary,
    keys.failure,
    keys.attempt(attempt + 1),
  ];
  const found = await Promise.all(signs.map((key) => storage.get({ key })));
  return found.some((sign) => sign !== undefined);
}
