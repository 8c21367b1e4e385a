// Whether a store is fit for sltrain, for what, how fast it is and what it costs.

import { randomBytes } from "node:crypto";
import { type ErrorRecord, errorRecord, SltrainError } from "../../errors.ts";
import { openChannel } from "../open.ts";
import type { Channel, Storage } from "../storage.ts";
import { withoutCredentials } from "../uri.ts";
import { type ChannelProfile, type MeasureOptions, measureChannel } from "./measure-channel.ts";
import { type Probe, probes } from "./probes.ts";

export interface ProbeResult extends Pick<Probe, "name" | "need" | "without"> {
  readonly outcome: "works" | "missing" | "failed";
  /** Why it failed. */
  readonly error?: ErrorRecord;
}

export interface StorageCheck {
  /** Without credentials. */
  readonly uri: string;
  /** What it may be used as. */
  readonly fitFor: readonly ("--storage" | "--channel")[];
  readonly probes: readonly ProbeResult[];
  /** null if a probe that is always needed failed. */
  readonly profile: ChannelProfile | null;
  /** Of 1,000 requests of small objects; null where they are free. */
  readonly thousandPutsUsd: number | null;
  readonly thousandGetsUsd: number | null;
  /** The store's clock less this machine's, as far as the time of a request allows to tell; null if it tells none. */
  readonly clockSkewMs: number | null;
}

/** A store that was there a moment ago may be throttling; one that never answers shall be told soon. */
const RETRY = { deadlineMs: 5000 };

/**
 * Tries all that sltrain needs, one after the other, in a folder of its own, which it removes. Throws what opening the
 * store and the first request throw, for a store that cannot be reached needs no table.
 */
export async function checkStorage(
  uri: string,
  options: Omit<MeasureOptions, "folder"> = {},
): Promise<StorageCheck> {
  const folder = `storage-check-${randomBytes(6).toString("hex")}/`;
  const [channel, other] = [await openChannel(uri, RETRY), await openChannel(uri, RETRY)];
  try {
    await channel.get({ key: `${folder}reachable` });
    const results: ProbeResult[] = [];
    for (const probe of probes) results.push(await tryProbe(probe, { channel, other, folder }));
    const lacking = new Set(results.filter(({ outcome }) => outcome !== "works").map(({ need }) => need));
    const isChannel = !lacking.has("always") && channel.capabilities.shared;
    const isStorage = isChannel && !lacking.has("storage");
    const { prices } = channel.capabilities;
    const check: StorageCheck = {
      uri: withoutCredentials(uri),
      fitFor: isStorage ? ["--storage", "--channel"] : isChannel ? ["--channel"] : [],
      probes: results,
      profile: lacking.has("always") ? null : await measureChannel(channel, { ...options, folder }),
      thousandPutsUsd: prices === undefined ? null : 1000 * prices.putUsd,
      thousandGetsUsd: prices === undefined ? null : 1000 * prices.getUsd,
      clockSkewMs: await clockSkewMs(channel),
    };
    await (channel as Partial<Storage>).deleteFolder?.(folder);
    return check;
  } finally {
    await Promise.all([channel.close(), other.close()]);
  }
}

/** A value that is too large, a store without ranges: what is not offered is not tried. */
async function tryProbe(
  { name, need, without, isOffered, run }: Probe,
  store: Parameters<Probe["run"]>[0],
): Promise<ProbeResult> {
  const probe = { name, need, without };
  if (!isOffered(store.channel.capabilities)) return { ...probe, outcome: "missing" };
  try {
    await run(store);
    return { ...probe, outcome: "works" };
  } catch (error) {
    if (!(error instanceof SltrainError)) throw error;
    return { ...probe, outcome: "failed", error: errorRecord(error, "storage-unfit") };
  }
}

async function clockSkewMs(channel: Channel): Promise<number | null> {
  if (channel.timeMs === undefined) return null;
  const askedMs = Date.now();
  const storeMs = await channel.timeMs();
  return storeMs - (askedMs + Date.now()) / 2;
}
