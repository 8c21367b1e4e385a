// The one list of providers.

import type { TrainConfig } from "../config/schema.ts";
import type { Provider } from "../coordinator/provider.ts";
import { DAWN_MODULE_VARIABLE, dawnModule } from "../device/webgpu/dawn.ts";
import { mappingKeys } from "../run/mapping-keys.ts";
import type { RunManifest } from "../run/records.ts";
import { useEndpoint } from "./lambda/endpoint.ts";
import { LambdaProvider } from "./lambda/lambda-provider.ts";
import { LocalProvider, logDirectory } from "./local/local-provider.ts";

type ProviderConfig = Pick<TrainConfig, "provider" | "device" | "endpointUrl" | "stack">;

/** `logFolder`: where functions of this machine log, and have logged. */
type Create = (config: ProviderConfig, logFolder: string) => Provider;

const providers: Readonly<Record<TrainConfig["provider"], Create>> = {
  local: ({ device }, logFolder) =>
    new LocalProvider(
      logFolder,
      // Who only reads a run's logs needs no Dawn.
      () => (device === "webgpu" ? { [DAWN_MODULE_VARIABLE]: dawnModule() } : {}),
    ),
  lambda: ({ endpointUrl, stack }) => {
    useEndpoint(endpointUrl, process.env);
    return new LambdaProvider(stack, process.env);
  },
};

/** `storageUri`: where the run is, as seen from here. */
export function createProvider({ runId, config }: RunManifest, storageUri: string): Provider {
  return providers[config.provider](config, logDirectory(storageUri, `runs/${runId}`));
}

/** Of functions that transform a data set: they log beside what they leave (run/mapping-keys.ts). */
export function createMappingProvider(config: ProviderConfig, storageUri: string, dataId: string): Provider {
  return providers[config.provider](config, logDirectory(storageUri, mappingKeys(dataId).work));
}
