// Storage URIs (`scheme:location`) to drivers. A driver is imported when its scheme is first used, so that a worker
// loads only what its run needs.

import { SltrainError } from "../errors.ts";
import type { Channel, Storage } from "./storage.ts";

interface Driver {
  open(location: string): Promise<Storage>;
}

/** The one list of drivers. `form` is shown in messages; a driver for tests alone has none. */
const drivers: Readonly<Record<string, { readonly form?: string; readonly load: () => Promise<Driver> }>> = {
  fs: { form: "fs:PATH", load: () => import("./drivers/fs.ts") },
  memory: { load: () => import("./drivers/memory.ts") },
};

/** Opens a durable storage. Throws SltrainError "storage-unknown" naming the known schemes. */
export async function openStorage(uri: string): Promise<Storage> {
  const [scheme, location] = splitUri(uri);
  const driver = Object.hasOwn(drivers, scheme) ? drivers[scheme] : undefined;
  if (driver === undefined || location === "") {
    const forms = Object.values(drivers).flatMap(({ form }) => form ?? []);
    const isPath = scheme === "" || scheme === "fs";
    throw new SltrainError({
      code: "storage-unknown",
      message: `storage: expected one of ${forms.join(", ")}, but got ${JSON.stringify(uri)}`,
      suggestions: [`For a folder on this machine write fs:${(isPath ? location : "") || ".sltrain"}`],
    });
  }
  return (await driver.load()).open(location);
}

/** Opens what carries a run's frames; it may forget. */
export async function openChannel(uri: string): Promise<Channel> {
  return openStorage(uri);
}

function splitUri(uri: string): [scheme: string, location: string] {
  const colon = uri.indexOf(":");
  return colon < 0 ? ["", uri] : [uri.slice(0, colon), uri.slice(colon + 1)];
}
