// A store's URI and its secrets. Runs store and show their URIs, and workers get them in their events; credentials
// travel in the environment, as those of AWS do.

import { SltrainError } from "../errors.ts";

/** `uri` without what stands before its host: as it may be shown, logged and stored. */
export function withoutCredentials(uri: string): string {
  return uri.replace(/\/\/.*@/, "//");
}

export interface Credentials {
  readonly username: string | undefined;
  readonly password: string | undefined;
}

/** What stands before the host of a Redis' URI, else in the environment. Throws SltrainError "storage-uri-invalid". */
export function redisCredentials(uri: string, environment: NodeJS.ProcessEnv): Credentials {
  const { REDIS_USERNAME, REDIS_PASSWORD } = environment;
  const [, userinfo = ""] = /\/\/(.*)@/.exec(uri) ?? [];
  const [, username = "", password = ""] = /^([^:]*):?(.*)$/s.exec(userinfo) ?? [];
  try {
    return {
      username: decodeURIComponent(username) || REDIS_USERNAME,
      password: decodeURIComponent(password) || REDIS_PASSWORD,
    };
  } catch (cause) {
    throw new SltrainError({
      code: "storage-uri-invalid",
      message: `storage: expected a % in user or password of ${withoutCredentials(uri)} to be written as %25, but got a bare one`,
      cause,
    });
  }
}

/**
 * `uri` without its credentials, which are now in `environment`, where drivers and the processes that are started from
 * here find them. Throws SltrainError "credentials-conflict" if others are there.
 */
export function credentialsToEnvironment(uri: string, environment: NodeJS.ProcessEnv): string {
  if (!/^rediss?:\/\/.*@/.test(uri)) return uri;
  const { username, password } = redisCredentials(uri, environment);
  for (const [variable, value] of [
    ["REDIS_USERNAME", username],
    ["REDIS_PASSWORD", password],
  ] as const) {
    if (value === undefined) continue;
    if ((environment[variable] ?? value) !== value) {
      throw new SltrainError({
        code: "credentials-conflict",
        message: `storage: expected the credentials of ${withoutCredentials(uri)} to be those in ${variable}, but they differ`,
        suggestions: [`Leave them out of the URI, or unset ${variable}. One run has one user of Redis.`],
      });
    }
    environment[variable] = value;
  }
  return withoutCredentials(uri);
}
