// What a user types to take an unfinished run up again.

import { generalDefaults } from "../config/model-defaults.ts";

/** Names the storage where a bare command would look elsewhere. */
export function resumeCommand(runId: string, storageUri: string): string {
  const where = storageUri === generalDefaults.storage ? "" : ` --storage ${storageUri}`;
  return `sltrain train --run-id ${runId}${where}`;
}
