import assert from "node:assert/strict";
import { test } from "node:test";
import { parameterServers } from "../../src/allreduce/parameter-servers.ts";
import { SltrainError } from "../../src/errors.ts";

const env = { SLTRAIN_PS_TOKEN: "correct horse" };

test("a URI names one server or several, of which a port may be left out", () => {
  const serversOf = (uri: string) => parameterServers(uri, env).servers;
  assert.deepEqual(serversOf("ps://127.0.0.1:7071"), ["127.0.0.1:7071"]);
  assert.deepEqual(serversOf("ps://ps-1.internal,ps-2.internal:99/"), [
    "ps-1.internal:7070",
    "ps-2.internal:99",
  ]);
  assert.deepEqual(serversOf("ps://[::1]:7071,[::1]"), ["[::1]:7071", "[::1]:7070"]);
});

test("a URI that is none is refused, and what may be a secret is not repeated", () => {
  for (const uri of [
    "ps://",
    "ps:host",
    "ps://a:1,,b:2",
    "ps://a:1,a:1",
    "ps://a:1/path",
    "ps://user:secret@a:1",
  ]) {
    assert.throws(
      () => parameterServers(uri, env),
      (error) =>
        error instanceof SltrainError && error.code === "ps-uri-invalid" && !error.message.includes("secret"),
      uri,
    );
  }
});

test("servers without a token are refused", () => {
  assert.throws(() => parameterServers("ps://127.0.0.1", {}), { code: "token-missing" });
});
