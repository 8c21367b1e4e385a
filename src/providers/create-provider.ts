// The one list of providers.

import type { Provider } from "../coordinator/provider.ts";
import type { RunManifest } from "../run/records.ts";
import { LocalProvider, logDirectory } from "./local/local-provider.ts";

/** `storageUri`: where the run is, as seen from here. */
export function createProvider({ runId }: RunManifest, storageUri: string): Provider {
  return new LocalProvider(logDirectory(storageUri, runId));
}
