// Stores that cannot be used: opened with other settings, or at local stand-ins that refuse what a real server would
// only refuse in trouble.

import assert from "node:assert/strict";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { SltrainError } from "../../src/errors.ts";
import { openStorage } from "../../src/storage/open.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { AWS_ACCOUNT } from "../servers/server.ts";

/** Opens `uri` with `env` over the test account, which is read then. Nothing is tried twice. */
export async function openWith(env: Record<string, string>, uri: string): Promise<Storage> {
  const before = process.env;
  process.env = { ...before, ...AWS_ACCOUNT, ...env };
  try {
    return await openStorage(`${uri}?retryMs=0`);
  } finally {
    process.env = before;
  }
}

/** What a get from `storage` throws, which must name what was done and where. */
export async function refusalOf(storage: Storage): Promise<SltrainError> {
  const error: unknown = await storage.get({ key: "some/key" }).then(
    () => assert.fail("the get succeeded"),
    (reason: unknown) => reason,
  );
  await storage.close();
  assert.ok(error instanceof SltrainError, String(error));
  assert.match(error.message, /storage get some\/key.*(s3|dynamodb):\/\//);
  return error;
}

/** The address of `server`, listening on a free loopback port. */
export async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
