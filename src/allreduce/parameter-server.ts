// The collective of a run through its parameter servers. A round's bits are those of any other pattern with one level.

import type { Collective } from "./collective.ts";
import { type CollectiveOptions, openCollective } from "./open-collective.ts";
import type { ParameterServers } from "./parameter-servers.ts";
import { served } from "./patterns/served.ts";

export type ParameterServerOptions = ParameterServers &
  Omit<CollectiveOptions, "channel" | "reduce" | "packed">;

/** Joins the run on all servers; throws as `openExchange` does. */
export function openParameterServer({
  servers,
  token,
  ...options
}: ParameterServerOptions): Promise<Collective> {
  return openCollective({ ...options, channel: { servers, token }, reduce: served(servers.length) });
}
