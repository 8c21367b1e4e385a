// Where a Redis is and how to log in, out of a URI and the environment.

import { SltrainError } from "../../errors.ts";
import { redisCredentials, withoutCredentials } from "../uri.ts";
import type { Address } from "../wire/connection.ts";

export interface RedisServer extends Address {
  /** Without credentials. */
  readonly uri: string;
  readonly username: string;
  readonly password: string | undefined;
  readonly database: number;
}

const DEFAULT_PORT = 6379;
/** Redis' name for whoever gives a password only. */
const DEFAULT_USER = "default";

/** Throws SltrainError "storage-uri-invalid", which shows nothing of the credentials. */
export function parseRedisUri(scheme: string, location: string): RedisServer {
  const url = URL.parse(`${scheme}:${location}`);
  const database = Number(url?.pathname.slice(1));
  if (
    url === null ||
    url.hostname === "" ||
    !Number.isInteger(database) ||
    database < 0 ||
    url.search !== ""
  ) {
    const shown = withoutCredentials(`${scheme}:${location}`);
    throw new SltrainError({
      code: "storage-uri-invalid",
      message: `storage: expected ${scheme}://[user:password@]host[:port][/database], but got ${JSON.stringify(shown)}`,
      suggestions: [
        "Write special characters of a password as in any URI (@ as %40), or set REDIS_PASSWORD instead.",
      ],
    });
  }
  const { username = DEFAULT_USER, password } = redisCredentials(`${scheme}:${location}`, process.env);
  const port = url.port === "" ? DEFAULT_PORT : Number(url.port);
  return {
    uri: `${scheme}://${url.hostname}:${port}${database === 0 ? "" : `/${database}`}`,
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port,
    tls: scheme === "rediss",
    ...{ username, password, database },
  };
}
