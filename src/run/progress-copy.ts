// A second place for what shows a run's progress, as peers of Naik (2021) kept theirs in a DynamoDB table beside S3: rank
// 0's heartbeats and the metrics, under the keys that they have in the storage. Nothing of the run depends on it.

import { layered } from "../storage/layers/layer.ts";
import type { Storage } from "../storage/storage.ts";
import type { RunKeys } from "./keys.ts";

/** `storage`, whose puts of progress go to `copy` as well. A copy that fails is told in the log, and no reason to stop. */
export function withProgressCopy<S extends Storage>(storage: S, copy: Storage, keys: RunKeys): S {
  const isProgress = (key: string): boolean =>
    key === keys.metrics ||
    (key.startsWith(keys.heartbeats) && /^\d+\/0\//.test(key.slice(keys.heartbeats.length)));
  return layered(storage, {
    async put(key, parts, options) {
      const stored = storage.put(key, parts, options);
      if (isProgress(key)) {
        await copy.put(key, parts).catch((error: unknown) => {
          console.error(`could not copy the progress to ${copy.uri}: ${String(error)}`);
        });
      }
      return stored;
    },
  });
}
