// What all layers share: a layer is a channel like the one below it, but for the methods that it changes.

import type { Channel, Storage } from "../storage.ts";
import { pollUntilPresent } from "../wait.ts";

export type LayerChanges = Partial<Storage>;

/**
 * `inner` with `changes`, a storage if `inner` is one. Waiting that polls does so through the layer's own `get`, so
 * that a layer sees every request.
 */
export function layered<S extends Channel>(inner: S, changes: LayerChanges): S;
export function layered(inner: Channel | Storage, changes: LayerChanges): Channel | Storage {
  const channel: Channel = {
    // Whatever else lower layers offer beside a channel's methods, as a meter its reading.
    ...inner,
    put: (key, parts, options) => inner.put(key, parts, options),
    get: (ref, into) => inner.get(ref, into),
    waitFor: (refs, options) =>
      channel.capabilities.blockingWait
        ? inner.waitFor(refs, options)
        : pollUntilPresent(channel, refs, options),
    delete: (keys) => inner.delete(keys),
    close: () => inner.close(),
  };
  const storage = "list" in inner && {
    list: (prefix: string) => inner.list(prefix),
    deleteFolder: (folder: string) => inner.deleteFolder(folder),
  };
  return Object.assign(channel, storage, changes);
}
