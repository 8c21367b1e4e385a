// What a run's frames go through, by its URI: a channel of storage/, or parameter servers, which merge by themselves.

import { openChannel } from "../storage/open.ts";
import type { Metered } from "../storage/layers/meter.ts";
import type { RequestPrices } from "../storage/prices.ts";
import type { Channel } from "../storage/storage.ts";
import { areParameterServers, type ParameterServers, parameterServers } from "./parameter-servers.ts";

export type Medium = Channel | ParameterServers;

/** Servers are paid by the hour. */
export function pricesOf(medium: Medium): RequestPrices | undefined {
  return "servers" in medium ? undefined : medium.capabilities.prices;
}

/** Throws what `openChannel` and `parameterServers` throw; the servers' token comes from `env`. */
export async function openMedium(
  uri: string,
  env: NodeJS.ProcessEnv,
): Promise<(Channel & Metered) | ParameterServers> {
  return areParameterServers(uri) ? parameterServers(uri, env) : openChannel(uri);
}

/** Servers are left with the collective that joined them. */
export async function closeMedium(medium: Medium): Promise<void> {
  if (!("servers" in medium)) await medium.close();
}
