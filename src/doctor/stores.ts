// Whether the stores that a run would use can be reached and do what it needs.

import { areParameterServers, checkServers, parameterServers } from "../allreduce/parameter-servers.ts";
import { checkStorage } from "../storage/check/check-storage.ts";
import { formatDuration } from "../units.ts";
import type { Finding, Subject } from "./check.ts";

export function checkRunStorage({ config }: Subject): Promise<Finding> {
  return checkStore(config.storage, "--storage");
}

export async function checkChannel({ config, env }: Subject): Promise<Finding> {
  const { storage, channel } = config;
  if (channel === storage) return { outcome: "ok", found: "the storage" };
  if (!areParameterServers(channel)) return checkStore(channel, "--channel");
  await checkServers(parameterServers(channel, env));
  return { outcome: "ok", found: `${channel} answers` };
}

/** Throws what opening the store and a first request throw. */
async function checkStore(given: string, use: "--storage" | "--channel"): Promise<Finding> {
  const { uri, fitFor, probes, profile } = await checkStorage(given, { budgetMs: 200, valueBytes: 2 ** 20 });
  const lacking = probes.filter(({ outcome }) => outcome !== "works");
  const lacks = lacking.map(({ name, without, error }) => `${name} (${error?.message ?? without})`);
  if (!fitFor.includes(use)) {
    return {
      outcome: "failing",
      found: `${uri} cannot be the ${use.slice(2)}: it lacks ${lacks.join("; ")}`,
      remedies: ["Choose another store; docs/stores.md says what each can be."],
    };
  }
  const speed =
    profile === null
      ? ""
      : `: ${formatDuration(profile.putLatencyMs)} a put, ${formatDuration(profile.getLatencyMs)} a get`;
  if (lacks.length === 0) return { outcome: "ok", found: `${uri}${speed}` };
  return { outcome: "warning", found: `${uri}${speed}; it lacks ${lacks.join("; ")}` };
}
