import assert from "node:assert/strict";
import { test } from "node:test";
import type { SltrainError } from "../../src/errors.ts";
import { openChannel, openStorage } from "../../src/storage/open.ts";

test("a URI opens the driver of its scheme", async () => {
  assert.equal((await openStorage("memory:open")).uri, "memory:open");
  assert.equal((await openChannel("memory:open")).uri, "memory:open");
  assert.equal((await openStorage("fs:some/where")).uri, "fs:some/where");
});

test("an unknown scheme, no scheme and no location are errors that name the known forms", async () => {
  for (const uri of ["ftp:there", ".sltrain", "fs:", "", "constructor:x"]) {
    await assert.rejects(openStorage(uri), (error: Error) => {
      assert.match(error.message, /expected one of fs:PATH, .*, but/);
      assert.ok(error.message.includes(JSON.stringify(uri)));
      return true;
    });
  }
});

test("a misspelt scheme is told with the one that was meant, a foreign one without a guess", async () => {
  const guesses = {
    "s33://b/p": "s3://b/p",
    "reddis://h": "redis://h",
    "S3://b": "s3://b",
    "memcache://h": "memcached://h",
  };
  for (const [uri, meant] of Object.entries(guesses)) {
    await assert.rejects(openChannel(uri), ({ suggestions }: SltrainError) => {
      assert.equal(suggestions[0], `Did you mean ${meant}?`);
      return true;
    });
  }
  await assert.rejects(openStorage("gs://bucket"), ({ suggestions }: SltrainError) => {
    assert.doesNotMatch(suggestions.join(), /Did you mean/);
    return true;
  });
});

test("what only carries frames is refused as a storage, and parameter servers are told among the channels", async () => {
  for (const uri of ["memcached://h", "ps://h:1"]) {
    await assert.rejects(openStorage(uri), { code: "storage-unsupported" });
  }
  await assert.rejects(openChannel("ps://h:1"), { code: "storage-unsupported", message: /keep none/ });
  await assert.rejects(openChannel("pss:h"), /memcached:\/\/HOST, ps:\/\/HOST:PORT, but/);
});

test("an error about a URI does not show its password", async () => {
  await assert.rejects(openChannel("reddis://user:p@ss/word@host:1/2"), (error: Error) => {
    assert.ok(!error.message.includes("word") && !error.message.includes("p@ss"), error.message);
    assert.match(error.message, /reddis:\/\/host:1/);
    return true;
  });
});

test("the query of a URI emulates a channel, and what it does not know is refused with what it knows", async () => {
  const plain = await openStorage("memory:emulated");
  const storage = await openStorage(
    "memory:emulated?latencyMs=2&upMBs=100&prices=s3-express&delays=0.1&delayMs=1",
  );
  await storage.put("k", [Uint8Array.of(7)]);
  assert.deepEqual(await plain.get({ key: "k" }), Uint8Array.of(7));
  assert.equal(storage.capabilities.prices?.putUsd, 0.00113e-3);
  const refused = {
    "memory:a?latency=3": /one of retryMs, .*"latency"/,
    "memory:a?latencyMs=-1": /latencyMs to be a number from 0, but got "-1"/,
    "memory:a?latencyMs": /latencyMs to be a number/,
    "memory:a?errors=2": /errors to be a number from 0 to 1, but got "2"/,
    "memory:a?prices=gcs": /one of s3, s3-express, dynamodb, but got "gcs"/,
  };
  for (const [uri, message] of Object.entries(refused)) {
    await assert.rejects(openStorage(uri), { code: "storage-query-invalid", message }, uri);
  }
});

test("what stands behind a question mark in a password is no query, and is not shown", async () => {
  await assert.rejects(openStorage("memory:user:p?ss=1@host?word=2"), (error: Error) => {
    assert.ok(!error.message.includes("ss=1") && !error.message.includes("p?"), error.message);
    return true;
  });
});
