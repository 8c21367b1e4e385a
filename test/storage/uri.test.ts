import assert from "node:assert/strict";
import { test } from "node:test";
import { credentialsToEnvironment, withoutCredentials } from "../../src/storage/uri.ts";
import { coded } from "../contract/objects.ts";

test("a URI is shown without what stands before its host", () => {
  assert.equal(withoutCredentials("redis://user:p@ss/word@host:1/2"), "redis://host:1/2");
  assert.equal(withoutCredentials("s3://bucket/prefix"), "s3://bucket/prefix");
});

test("credentials go from a URI of Redis into the environment, decoded", () => {
  const environment: NodeJS.ProcessEnv = {};
  assert.equal(
    credentialsToEnvironment("rediss://me:s%40cret@host:1/2?x=1", environment),
    "rediss://host:1/2?x=1",
  );
  assert.deepEqual(environment, { REDIS_USERNAME: "me", REDIS_PASSWORD: "s@cret" });
  // The same ones again, for storage and channel are often one Redis.
  assert.equal(credentialsToEnvironment("redis://:s%40cret@host", environment), "redis://host");
});

test("other URIs stay as they are", () => {
  const environment: NodeJS.ProcessEnv = {};
  for (const uri of ["fs:a@b", "fs://a@b", "s3://bucket/a@b", "redis://host", "memcached://a,b"]) {
    assert.equal(credentialsToEnvironment(uri, environment), uri);
  }
  assert.deepEqual(environment, {});
});

test("two different passwords, or one that cannot be decoded, are refused without showing them", () => {
  const hidden = (code: string) => (error: unknown) =>
    coded(code)(error) && !/first|second|%zz/.test(String(error));
  const environment = { REDIS_PASSWORD: "first" };
  assert.throws(
    () => credentialsToEnvironment("redis://:second@host", environment),
    hidden("credentials-conflict"),
  );
  assert.throws(() => credentialsToEnvironment("redis://:%zz@host", {}), hidden("storage-uri-invalid"));
});
