// Functions URIs (`scheme:location`) to drivers, with what fails repeated. A driver is imported when its scheme is first
// used, so that a worker loads only what its run needs.

import { SltrainError } from "../errors.ts";
import type { RetryOptions } from "../storage/layers/retry.ts";
import type { Functions } from "./functions.ts";
import { withRetry } from "./retry.ts";

interface Driver {
  readonly open: (location: string, env: NodeJS.ProcessEnv) => Promise<Functions>;
}

const drivers: Readonly<Record<string, () => Promise<Driver>>> = {
  lambda: () => import("./lambda.ts"),
  local: () => import("./local.ts"),
};

/** Throws SltrainError "functions-unknown" naming the known schemes, and what the driver throws. */
export async function openFunctions(
  uri: string,
  env: NodeJS.ProcessEnv,
  retry?: RetryOptions,
): Promise<Functions> {
  const [, scheme = "", location = ""] = /^([a-z]+):(.*)$/s.exec(uri) ?? [];
  const load = Object.hasOwn(drivers, scheme) ? drivers[scheme] : undefined;
  if (load === undefined) {
    throw new SltrainError({
      code: "functions-unknown",
      message: `functions: expected a URI that begins with ${Object.keys(drivers).join(": or ")}:, got ${JSON.stringify(uri)}`,
    });
  }
  const { open } = await load();
  return withRetry(await open(location, env), retry);
}
