import assert from "node:assert/strict";
import { createServer, type IncomingMessage } from "node:http";
import { after, describe, mock, test } from "node:test";
import type { SltrainError } from "../../src/errors.ts";
import { openStorage } from "../../src/storage/open.ts";
import { REQUEST_PRICES } from "../../src/storage/prices.ts";
import { collect } from "../contract/collect.ts";
import { storageContract } from "../contract/storage.ts";
import { useServer } from "../servers/index.ts";
import { freePort } from "../servers/server.ts";
import { needs } from "../support/requirement.ts";
import { listen, openWith, refusalOf } from "./refusals.ts";

const server = await useServer("s3");
after(() => server?.stop());
const uri = server?.uri ?? "";
const x = Uint8Array.of(120);

if (server) storageContract("s3", () => openStorage(`${uri}/contract`));

describe("s3 on a real server", needs("s3"), () => {
  test("an object of 70 MB goes up in parts and comes back unchanged", async () => {
    const storage = await openStorage(uri);
    const bytes = new Uint8Array(new SharedArrayBuffer(70_000_003));
    const words = new Uint32Array(bytes.buffer, 0, bytes.length >> 2);
    words.forEach((_, i) => (words[i] = Math.imul(i, 2654435761)));
    await storage.put("parts", [
      bytes.subarray(0, 7),
      bytes.subarray(7, 30_000_000),
      bytes.subarray(30_000_000),
    ]);
    const into = new Uint8Array(new SharedArrayBuffer(bytes.length));
    const back = await storage.get({ key: "parts" }, into);
    assert.ok(back && Buffer.compare(back, bytes) === 0);
    await storage.delete(["parts"]);
    await storage.close();
  });

  test("more keys than one request takes are listed in order and deleted", async () => {
    const storage = await openStorage(`${uri}/many`);
    const keys = Array.from({ length: 1_050 }, (_, i) => `many/${String(i).padStart(4, "0")}`);
    for (let i = 0; i < keys.length; i += 50) {
      await Promise.all(keys.slice(i, i + 50).map((key) => storage.put(key, [x])));
    }
    assert.deepEqual(await collect(storage.list("many/")), keys);
    await storage.delete(keys.slice(0, 1_020));
    assert.deepEqual(await collect(storage.list("")), keys.slice(1_020));
    await storage.deleteFolder("many/");
    assert.deepEqual(await collect(storage.list("")), []);
    await storage.close();
  });

  test("a range that lies wholly behind the object is refused with its size", async () => {
    const storage = await openStorage(uri);
    await storage.put("short", [x]);
    const range = { begin: 10, end: 20 };
    await assert.rejects(storage.get({ key: "short", range }), /within 1 bytes, but got \[10, 20\)/);
    await storage.close();
  });

  test("a bucket that is missing is an error with the command that makes it", async () => {
    const storage = await openStorage("s3://no-such-bucket/prefix");
    const error = await refusalOf(storage);
    assert.equal(error.code, "storage-missing");
    assert.equal(error.retryable, false);
    assert.match(error.suggestions.join(), /aws s3 mb s3:\/\/no-such-bucket --region us-east-1/);
    await assert.rejects(storage.put("a", [x]), { code: "storage-missing" });
    await assert.rejects(collect(storage.list("")), { code: "storage-missing" });
  });

  test("a machine whose clock is an hour ahead goes by the store's", async () => {
    mock.timers.enable({ apis: ["Date"], now: Date.now() + 3_600_000 });
    try {
      const impatient = await openStorage(`${uri}?retryMs=0`);
      await assert.rejects(impatient.put("clock", [x]), { code: "storage-clock", retryable: true });
      await impatient.close();
      const storage = await openStorage(uri);
      assert.equal(await storage.put("clock", [x]), "stored");
      await storage.close();
    } finally {
      mock.timers.reset();
    }
  });

  test("wrong credentials are an error that does not show them", async () => {
    for (const env of [{ AWS_SECRET_ACCESS_KEY: "wrong-secret" }, { AWS_ACCESS_KEY_ID: "unknown-key" }]) {
      const error = await refusalOf(await openWith(env, uri));
      assert.equal(error.code, "storage-denied");
      assert.equal(error.retryable, false);
      assert.ok(!/wrong-secret|testsecret|Signature=/.test(error.message + error.suggestions.join()));
    }
  });
});

describe("s3 without a server", () => {
  test("an endpoint where nobody listens can be tried again", async () => {
    const env = { AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${await freePort()}` };
    const error = await refusalOf(await openWith(env, "s3://some-bucket"));
    assert.equal(error.code, "storage-unreachable");
    assert.equal(error.retryable, true);
    assert.match(error.message, /127\.0\.0\.1.*ECONNREFUSED/);
  });

  test("a bucket name that cannot be is an error, and what stands before an @ is not shown", async () => {
    for (const bad of ["s3:bucket", "s3://B", "s3://key:hidden@bucket/a", "s3://bucket/../a"]) {
      await assert.rejects(openWith({}, bad), (error: Error) => !error.message.includes("hidden"), bad);
    }
  });

  test("an answer that breaks off is an error that can be tried again", async () => {
    const cut = createServer((_, response) => {
      response.writeHead(200, { "content-length": 100 });
      response.write("half");
      setImmediate(() => response.destroy());
    });
    const env = { AWS_ENDPOINT_URL_S3: await listen(cut) };
    const error = await refusalOf(await openWith(env, "s3://some-bucket"));
    assert.equal(error.code, "storage-unreachable");
    assert.equal(error.retryable, true);
    cut.close();
  });

  test("503 SlowDown and 409 can be tried again, a bucket elsewhere names its region", async () => {
    const answers: Record<string, [status: number, code: string, more?: string]> = {
      "slow-bucket": [503, "SlowDown"],
      "contested-bucket": [409, "ConditionalRequestConflict"],
      "far-bucket": [400, "AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>"],
    };
    const refusing = createServer((request, response) => {
      const [status, code, more = ""] = answers[request.url!.split("/")[1]!]!;
      response.writeHead(status).end(`<Error><Code>${code}</Code><Message>told</Message>${more}</Error>`);
    });
    const env = { AWS_ENDPOINT_URL_S3: await listen(refusing) };
    const codes = new Map<string, SltrainError>();
    for (const bucket of Object.keys(answers)) {
      codes.set(bucket, await refusalOf(await openWith(env, `s3://${bucket}`)));
    }
    assert.deepEqual(
      [...codes.values()].map(({ code, retryable }) => [code, retryable]),
      [
        ["storage-throttled", true],
        ["storage-contested", true],
        ["storage-region", false],
      ],
    );
    assert.match(codes.get("far-bucket")!.suggestions.join(), /AWS_REGION=eu-west-1/);
    refusing.close();
  });

  // No server that can run here knows directory buckets: a stand-in shows what is sent.
  test("a directory bucket is read within one session, at the prices of S3 Express", async () => {
    const seen: IncomingMessage[] = [];
    const expiration = new Date(Date.now() + 300_000).toISOString();
    const express = createServer((request, response) => {
      seen.push(request);
      if (request.url!.endsWith("?session=")) {
        response.end(
          "<CreateSessionResult><Credentials><SessionToken>session-token</SessionToken>" +
            "<SecretAccessKey>session-secret</SecretAccessKey><AccessKeyId>session-key</AccessKeyId>" +
            `<Expiration>${expiration}</Expiration></Credentials></CreateSessionResult>`,
        );
      } else if (request.url!.includes("list-type")) {
        response.end(
          "<ListBucketResult><Contents><Key>runs/b</Key></Contents><Contents><Key>runs/a2</Key></Contents>" +
            "<Contents><Key>runs/a1</Key></Contents></ListBucketResult>",
        );
      } else {
        response.writeHead(404).end();
      }
    });
    const env = { AWS_ENDPOINT_URL_S3: await listen(express) };
    const storage = await openWith(env, "s3://name--use1-az4--x-s3");
    assert.equal(storage.capabilities.prices, REQUEST_PRICES["s3-express"]);
    await Promise.all([storage.get({ key: "a" }), storage.get({ key: "b" })]);
    assert.deepEqual(await collect(storage.list("runs/a")), ["runs/a1", "runs/a2"]);
    const [session, ...requests] = seen;
    assert.match(session!.headers.authorization!, /Credential=testkey\/\d+\/us-east-1\/s3express\//);
    assert.equal(requests.length, 3);
    for (const { headers } of requests) {
      assert.equal(headers["x-amz-s3session-token"], "session-token");
      assert.match(headers.authorization!, /Credential=session-key\/\d+\/us-east-1\/s3express\//);
    }
    assert.match(requests[2]!.url!, /prefix=runs%2F($|&)/, "only whole folders can be listed");
    await storage.close();
    express.close();
  });
});
