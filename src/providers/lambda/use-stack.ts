// What a run on AWS Lambda has by its stack: the bucket where nobody names a storage, and the function's memory and
// time-out, which those of the run become. A stack that is not there yet, or is of another version, is deployed.

import { refuseConflicts } from "../../config/combinations.ts";
import { leaseWithin } from "../../config/lease.ts";
import { generalDefaults } from "../../config/model-defaults.ts";
import type { ConfigSource } from "../../config/resolve.ts";
import type { TrainConfig, TrainConfigKey } from "../../config/schema.ts";
import { SltrainError } from "../../errors.ts";
import { deploy, type DeployEvent } from "./deploy.ts";
import { useEndpoint } from "./endpoint.ts";
import { MOUNT_PATH } from "./template.ts";

export interface UseStackOptions {
  readonly config: TrainConfig;
  readonly sources: Readonly<Record<TrainConfigKey, ConfigSource>>;
  readonly env: NodeJS.ProcessEnv;
  readonly onEvent: (event: DeployEvent) => void;
}

/**
 * The configuration to train with. Other providers' are returned as they are. Throws "storage-unshared" for a store that
 * no function reaches, and what `deploy` and, of the stack's time-out, `refuseConflicts` throw.
 */
export async function useStack({ config, sources, env, onEvent }: UseStackOptions): Promise<TrainConfig> {
  if (config.provider !== "lambda") return config;
  useEndpoint(config.endpointUrl, env);
  const isGiven = (key: TrainConfigKey): boolean => sources[key] !== "default";
  for (const key of ["storage", "channel"] as const) if (isGiven(key)) refuseOwnFolder(config, key);
  const deployment = await deploy({
    stack: config.stack,
    settings: {
      ...(isGiven("memoryMiB") && { MemoryMiB: String(config.memoryMiB) }),
      ...(isGiven("timeoutS") && { TimeoutS: String(config.timeoutS) }),
    },
    ...{ env, onEvent },
  });
  const storage = isGiven("storage") ? config.storage : deployment.storage;
  const timeoutS = Number(deployment.settings.TimeoutS);
  const used = Object.freeze({
    ...config,
    storage,
    channel: isGiven("channel")
      ? config.channel
      : isGiven("storage")
        ? storage
        : (deployment.channel ?? storage),
    memoryMiB: Number(deployment.settings.MemoryMiB),
    timeoutS,
    leaseMs: isGiven("leaseMs") ? config.leaseMs : leaseWithin(timeoutS, generalDefaults.leaseMs),
  });
  refuseConflicts(used, (key) => sources[key] === "flag");
  return used;
}

/** At AWS only a mounted file system is a folder that functions share; functions of this machine are beside its folders. */
function refuseOwnFolder(config: TrainConfig, key: "storage" | "channel"): void {
  const uri = config[key];
  if (!uri.startsWith("fs:") || uri.startsWith(`fs:${MOUNT_PATH}`) || config.endpointUrl !== undefined)
    return;
  throw new SltrainError({
    code: "storage-unshared",
    message: `--${key}: expected a store that functions at AWS reach, got ${uri}`,
    suggestions: [
      `Leave --${key} out: the stack has a bucket.`,
      `Or mount EFS (\`sltrain deploy --access-point-arn …\`), which is fs:${MOUNT_PATH} there.`,
    ],
  });
}
