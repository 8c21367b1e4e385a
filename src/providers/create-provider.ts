// The one list of providers.

import type { TrainConfig } from "../config/schema.ts";
import type { Provider } from "../coordinator/provider.ts";
import { DAWN_MODULE_VARIABLE, dawnModule } from "../device/webgpu/dawn.ts";
import type { RunManifest } from "../run/records.ts";
import { useEndpoint } from "./lambda/endpoint.ts";
import { LambdaProvider } from "./lambda/lambda-provider.ts";
import { LocalProvider, logDirectory } from "./local/local-provider.ts";

type Create = (manifest: RunManifest, storageUri: string) => Provider;

const providers: Readonly<Record<TrainConfig["provider"], Create>> = {
  local: ({ runId, config }, storageUri) =>
    new LocalProvider(
      logDirectory(storageUri, runId),
      // Who only reads a run's logs needs no Dawn.
      () => (config.device === "webgpu" ? { [DAWN_MODULE_VARIABLE]: dawnModule() } : {}),
    ),
  lambda: ({ config }) => {
    useEndpoint(config.endpointUrl, process.env);
    return new LambdaProvider(config.stack, process.env);
  },
};

/** `storageUri`: where the run is, as seen from here. */
export function createProvider(manifest: RunManifest, storageUri: string): Provider {
  return providers[manifest.config.provider](manifest, storageUri);
}
