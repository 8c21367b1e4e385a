import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import { encodeRfc3986, signedHeaders } from "../../../src/storage/aws/sigv4.ts";

// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, its published examples.
const credentials = {
  accessKeyId: "AKIAIOSFODNN7EXAMPLE",
  secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
};
const scope = { credentials, region: "us-east-1", service: "s3" };
const host = "examplebucket.s3.amazonaws.com";
const at = new Date("2013-05-24T00:00:00Z");

function signature(headers: Record<string, string>): string | undefined {
  return /Signature=([0-9a-f]+)$/.exec(headers.authorization ?? "")?.[1];
}

test("a request with a range is signed as in AWS's example", () => {
  const headers = { range: "bytes=0-9" };
  const request = {
    method: "GET",
    host,
    path: "/test.txt",
    query: "",
    headers,
    bodySha256: hash("sha256", ""),
  };
  const signed = signedHeaders(request, scope, at);
  assert.equal(signature(signed), "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  assert.match(signed.authorization!, /SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,/);
});

test("a put with a body and an encoded key is signed as in AWS's example", () => {
  const request = {
    ...{ method: "PUT", host, path: `/${encodeRfc3986("test$file.text")}`, query: "" },
    headers: { date: "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY" },
    bodySha256: hash("sha256", "Welcome to Amazon S3."),
  };
  assert.equal(
    signature(signedHeaders(request, scope, at)),
    "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
  );
});

test("a query is signed as in AWS's example", () => {
  const bodySha256 = hash("sha256", "");
  const request = { method: "GET", host, path: "/", query: "max-keys=2&prefix=J", headers: {}, bodySha256 };
  assert.equal(
    signature(signedHeaders(request, scope, at)),
    "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
  );
});

test("a session token travels in the header that its service reads", () => {
  const request = { method: "GET", host, path: "/", query: "", headers: {}, bodySha256: "UNSIGNED-PAYLOAD" };
  const session = { ...scope, credentials: { ...credentials, sessionToken: "token" } };
  assert.equal(signedHeaders(request, session, at)["x-amz-security-token"], "token");
  const express = { ...session, tokenHeader: "x-amz-s3session-token" };
  const headers = signedHeaders(request, express, at);
  assert.equal(headers["x-amz-s3session-token"], "token");
  assert.match(headers.authorization!, /x-amz-s3session-token/);
});
