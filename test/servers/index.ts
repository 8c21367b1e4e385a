// The servers that tests run against: those that `npm test` has started for all, or, for a test file that runs alone,
// one of its own.

import { randomBytes } from "node:crypto";
import { missingRequirements } from "../../tools/requirements.ts";
import { startDynalite } from "./dynalite.ts";
import { startMemcached } from "./memcached.ts";
import { startRadosgw } from "./radosgw.ts";
import { startRedis } from "./redis.ts";
import type { ServerAddress, TestServer } from "./server.ts";

export type { TestServer } from "./server.ts";

/** By the scheme of their URIs, which is also the name of what they need from the system (tools/requirements.ts). */
const starters = {
  s3: startRadosgw,
  redis: startRedis,
  memcached: startMemcached,
  dynamodb: startDynalite,
} as const satisfies Record<string, () => Promise<TestServer>>;

export type ServerName = keyof typeof starters;
export const serverNames = Object.keys(starters) as ServerName[];

/** Hands the addresses of running servers to test files: JSON of `ServerAddress` by name. */
export const SERVERS_VARIABLE = "SLTRAIN_TEST_SERVERS";
/** Stores of which a URI can name a part: each test file gets one of its own. */
const withPrefix: ReadonlySet<ServerName> = new Set(["s3", "dynamodb"]);

/**
 * A running server, its environment set in this process; undefined if it is not installed: the test is then skipped,
 * with `needs(name)` of support/requirement.ts. Throws if SLTRAIN_TEST_REQUIRE=all forbids that, or if it is installed
 * and does not start. Call `stop` after the tests: a server of this file's own ends with it.
 */
export async function useServer(name: ServerName): Promise<TestServer | undefined> {
  if (missingRequirements().includes(name)) {
    if (process.env.SLTRAIN_TEST_REQUIRE !== "all") return undefined;
    throw new Error(`SLTRAIN_TEST_REQUIRE=all, but the server for ${name} is not installed`);
  }
  const running = JSON.parse(process.env[SERVERS_VARIABLE] ?? "{}") as Partial<
    Record<ServerName, ServerAddress>
  >;
  const shared = running[name];
  const server = shared ? { ...shared, stop: () => Promise.resolve() } : await starters[name]();
  Object.assign(process.env, server.env);
  if (!withPrefix.has(name)) return server;
  return { ...server, uri: `${server.uri}/${randomBytes(4).toString("hex")}` };
}

/** Starts, side by side, those of the servers that are installed. If one fails, the others are stopped before its error is thrown. */
export async function startServers(
  wanted: readonly ServerName[] = serverNames,
): Promise<Map<ServerName, TestServer>> {
  const missing = missingRequirements();
  const names = wanted.filter((name) => !missing.includes(name));
  const started = await Promise.allSettled(names.map((name) => starters[name]()));
  const servers = new Map<ServerName, TestServer>();
  for (const [i, result] of started.entries()) {
    if (result.status === "fulfilled") servers.set(names[i]!, result.value);
  }
  const failed = started.find((result) => result.status === "rejected");
  if (failed === undefined) return servers;
  await stopServers(servers);
  throw failed.reason;
}

export async function stopServers(servers: ReadonlyMap<ServerName, TestServer>): Promise<void> {
  await Promise.all([...servers.values()].map((server) => server.stop()));
}
