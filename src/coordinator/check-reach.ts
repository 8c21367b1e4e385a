// Whether workers, which are processes of their own, can exchange through the stores that a run names: asked before
// anything is stored.

import { areParameterServers, checkServers, parameterServers } from "../allreduce/parameter-servers.ts";
import { parseSync } from "../allreduce/sync.ts";
import type { TrainConfig } from "../config/schema.ts";
import { SltrainError } from "../errors.ts";
import { openChannel } from "../storage/open.ts";
import type { Capabilities } from "../storage/storage.ts";

const PROBE_KEY = `probe-${process.pid}`;

type ChannelAbilities = Pick<Capabilities, "conditionalPut" | "prices">;

/**
 * What the channel can do. Throws "storage-unshared" if other processes cannot reach a store, "storage-unsupported" if
 * the protocol needs more than the channel can do, and what a first request throws; the flag is named.
 */
export async function checkReach(config: TrainConfig): Promise<ChannelAbilities> {
  const { storage, channel, progress, sync } = config;
  await checkStorage(storage);
  if (progress !== undefined) await reach("--progress", progress);
  const capabilities = areParameterServers(channel)
    ? await reachServers(channel)
    : await reach("--channel", channel);
  if (parseSync(sync).staleness !== undefined && !capabilities.conditionalPut) {
    throw new SltrainError({
      code: "storage-unsupported",
      message: `--channel: expected a store that can put an object if it is absent, as --sync ${sync} needs, got ${channel}`,
      suggestions: ["Use --sync bsp, or another --channel."],
    });
  }
  return capabilities;
}

/** Servers merge what they are given, and keep nothing under a key. */
async function reachServers(uri: string): Promise<ChannelAbilities> {
  await checkServers(parameterServers(uri, process.env));
  return { conditionalPut: false, prices: undefined };
}

/** Whether functions can reach the storage: throws as `checkReach`. */
export async function checkStorage(uri: string): Promise<void> {
  await reach("--storage", uri);
}

async function reach(flag: string, uri: string): Promise<Capabilities> {
  const opened = await openChannel(uri);
  const { shared } = opened.capabilities;
  try {
    if (shared) {
      await opened.put(PROBE_KEY, [new Uint8Array(1)]);
      await opened.delete([PROBE_KEY]);
    }
  } catch (error) {
    if (!(error instanceof SltrainError)) throw error;
    const { code, message, suggestions } = error;
    throw new SltrainError({ code, message: `${flag} ${uri}: ${message}`, suggestions, cause: error });
  } finally {
    await opened.close();
  }
  if (shared) return opened.capabilities;
  throw new SltrainError({
    code: "storage-unshared",
    message: `${flag}: expected a store that other processes can reach, got ${uri}`,
    suggestions: ["Use a folder: fs:PATH."],
  });
}
