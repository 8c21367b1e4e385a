// What a user types to take a run up again, or to look at it.

import { generalDefaults } from "../config/model-defaults.ts";

export function resumeCommand(runId: string, storageUri: string): string {
  return `sltrain train --run-id ${runId}${where(storageUri)}`;
}

export function watchCommand(runId: string, storageUri: string): string {
  return `sltrain runs watch ${runId}${where(storageUri)}`;
}

/** Names the storage where a bare command would look elsewhere. */
function where(storageUri: string): string {
  return storageUri === generalDefaults.storage ? "" : ` --storage ${storageUri}`;
}
