// Storage URIs (`scheme:location?layers`) to drivers with their layers: what fails is repeated, and every try is
// counted. A driver is imported when its scheme is first used, so that a worker loads only what its run needs.

import { SltrainError } from "../errors.ts";
import { nearestName } from "../nearest-name.ts";
import { type Metered, nothingRead, withMeter } from "./layers/meter.ts";
import { parseQuery } from "./layers/query.ts";
import { type RetryOptions, withRetry } from "./layers/retry.ts";
import type { Channel, Storage } from "./storage.ts";
import { withoutCredentials } from "./uri.ts";

interface Driver<S> {
  /** As messages show it; a driver for tests alone has none. */
  readonly form?: string;
  readonly load: () => Promise<{ open(location: string, scheme: string): Promise<S> }>;
}

/** The one list of drivers: those that can hold a run's results, */
const storages: Readonly<Record<string, Driver<Storage>>> = {
  fs: { form: "fs:PATH", load: () => import("./drivers/fs.ts") },
  dynamodb: { form: "dynamodb://TABLE", load: () => import("./drivers/dynamodb.ts") },
  s3: { form: "s3://BUCKET/PREFIX", load: () => import("./drivers/s3.ts") },
  redis: { form: "redis://HOST", load: () => import("./drivers/redis.ts") },
  rediss: { load: () => import("./drivers/redis.ts") },
  memory: { load: () => import("./drivers/memory.ts") },
};
/** and those that carry its frames only. */
const channels: Readonly<Record<string, Driver<Channel>>> = {
  memcached: { form: "memcached://HOST", load: () => import("./drivers/memcached.ts") },
};
/** Not opened here: they add what they are sent (allreduce/parameter-servers.ts). A user names them as a channel. */
const SERVERS = { scheme: "ps", form: "ps://HOST:PORT" };

/**
 * Opens a durable storage. Throws SltrainError "storage-unknown" naming the known schemes, "storage-unsupported" for a
 * store that cannot hold results, and "storage-query-invalid". What the URI says of retrying goes before `retry`.
 */
export async function openStorage(uri: string, retry?: RetryOptions): Promise<Storage & Metered> {
  const { scheme } = splitUri(uri);
  if (Object.hasOwn(channels, scheme) || scheme === SERVERS.scheme) {
    throw new SltrainError({
      code: "storage-unsupported",
      message: `storage: expected a store that holds a run's results, but got ${scheme}, which forgets and cannot list`,
      suggestions: [`Use it as --channel, beside a --storage such as ${formsOf(storages)[0]}.`],
    });
  }
  return open(storages, formsOf(storages), uri, retry);
}

/** Opens what carries a run's frames; it may forget. Throws SltrainError "storage-unknown", "storage-unsupported", "storage-query-invalid". */
export async function openChannel(uri: string, retry?: RetryOptions): Promise<Channel & Metered> {
  if (splitUri(uri).scheme === SERVERS.scheme) {
    throw new SltrainError({
      code: "storage-unsupported",
      message: `storage: expected a store of objects, but got ${withoutCredentials(uri)}: parameter servers keep none`,
      suggestions: [
        `Give ${SERVERS.form} to \`sltrain train --channel\` or \`sltrain bench exchange --channel\`.`,
      ],
    });
  }
  const all = { ...storages, ...channels };
  return open<Channel>(all, [...formsOf(all), SERVERS.form], uri, retry);
}

async function open<S extends Channel>(
  drivers: Readonly<Record<string, Driver<S>>>,
  forms: readonly string[],
  uri: string,
  retry: RetryOptions = {},
): Promise<S & Metered> {
  const { scheme, location, query } = splitUri(uri);
  const driver = Object.hasOwn(drivers, scheme) ? drivers[scheme] : undefined;
  if (driver === undefined || location === "") throw unknownStore(uri, forms);
  const { retry: queried, emulate } = parseQuery(query);
  const opened = await (await driver.load()).open(location, scheme);
  const reading = nothingRead();
  return withRetry(withMeter(emulate(opened), reading), {
    ...retry,
    ...queried,
    onRetry: () => reading.retries++,
  });
}

function unknownStore(uri: string, forms: readonly string[]): SltrainError {
  const { scheme, location } = splitUri(uri);
  const near = nearestName(
    scheme,
    forms.map((form) => splitUri(form).scheme),
  );
  // Of two letters, every other scheme is near.
  const isMisspelt = near !== undefined && near !== scheme && near[0] === scheme[0]?.toLowerCase();
  const isPath = scheme === "" || scheme === "fs";
  return new SltrainError({
    code: "storage-unknown",
    message: `storage: expected one of ${forms.join(", ")}, but got ${JSON.stringify(withoutCredentials(uri))}`,
    suggestions: [
      ...(isMisspelt ? [`Did you mean ${near}:${withoutCredentials(location)}?`] : []),
      `For a folder on this machine write fs:${(isPath ? location : "") || ".sltrain"}`,
    ],
  });
}

function formsOf(drivers: Readonly<Record<string, Driver<unknown>>>): string[] {
  return Object.values(drivers).flatMap(({ form }) => form ?? []);
}

/** `query` is what stands behind the last question mark, unless that belongs to a path or a password. */
function splitUri(uri: string): Record<"scheme" | "location" | "query", string> {
  const [, scheme = "", location = "", query = ""] = /^(?:([^:?]*):)?(.*?)(?:\?([^?@/]*))?$/s.exec(uri) ?? [];
  return { scheme, location, query };
}
