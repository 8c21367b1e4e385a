// Whether the stores that a run would use can be reached and do what it needs.

import { areParameterServers, checkServers, parameterServers } from "../allreduce/parameter-servers.ts";
import { checkStorage } from "../storage/check/check-storage.ts";
import { formatDuration } from "../units.ts";
import type { Finding, Subject } from "./check.ts";

export async function checkRunStorage({ aws, config }: Subject): Promise<Finding> {
  const uri = config.storage ?? (await aws.stack(config.stack))?.outputs["Storage"];
  if (uri !== undefined) return checkStore(uri, "--storage");
  return { outcome: "info", found: `the bucket of ${config.stack}, once it is deployed` };
}

export async function checkChannel({ aws, config, env }: Subject): Promise<Finding> {
  const { storage, channel, stack } = config;
  const uri = channel ?? (storage === undefined ? (await aws.stack(stack))?.outputs["Channel"] : undefined);
  if (uri === undefined || uri === storage) return { outcome: "ok", found: "the storage" };
  if (!areParameterServers(uri)) return checkStore(uri, "--channel");
  await checkServers(parameterServers(uri, env));
  return { outcome: "ok", found: `${uri} answers` };
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
