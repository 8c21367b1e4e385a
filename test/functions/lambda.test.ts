// The real client of AWS Lambda against a stand-in that answers as Lambda does, or does not.

import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { after, test } from "node:test";
import type { Functions } from "../../src/functions/functions.ts";
import { openFunctions } from "../../src/functions/open-functions.ts";
import type { RetryOptions } from "../../src/storage/layers/retry.ts";
import { AWS_ACCOUNT, freePort } from "../servers/server.ts";
import { listen } from "../storage/refusals.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

interface Request {
  readonly url: string | undefined;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

const requests: Request[] = [];
let answer: (response: ServerResponse) => void;
const server = createServer((request, response) => {
  let body = "";
  request.on("data", (chunk: Buffer) => (body += chunk.toString()));
  request.on("end", () => {
    requests.push({ url: request.url, headers: request.headers, body });
    answer(response);
  });
});
const origin = await listen(server);
after(() => server.close());

function accept(response: ServerResponse): void {
  response.writeHead(202).end();
}

function throttle(response: ServerResponse): void {
  response
    .writeHead(429, { "x-amzn-errortype": "TooManyRequestsException" })
    .end(JSON.stringify({ Reason: "ConcurrentInvocationLimitExceeded", message: "Rate Exceeded." }));
}

function open(retry: RetryOptions = {}, endpoint = origin): Promise<Functions> {
  const env = { ...AWS_ACCOUNT, AWS_ENDPOINT_URL_LAMBDA: endpoint };
  return openFunctions("lambda:worker?region=eu-west-1", env, { clock: new VirtualClock(), ...retry });
}

test("an event is sent once, asynchronously, signed for the region of the URI", async () => {
  answer = accept;
  requests.length = 0;
  const functions = await open();
  await functions.invoke({ rank: 3, text: "ü" });
  await functions.close();
  assert.equal(requests.length, 1);
  const [{ url, headers, body }] = requests as [Request];
  assert.equal(url, "/2015-03-31/functions/worker/invocations");
  assert.equal(headers["x-amz-invocation-type"], "Event");
  assert.match(headers.authorization!, /eu-west-1\/lambda\/aws4_request/);
  assert.deepEqual(JSON.parse(body), { rank: 3, text: "ü" });
});

test("a trace is not handed on, by which Lambda would take generations for a loop", async () => {
  answer = accept;
  requests.length = 0;
  process.env._X_AMZN_TRACE_ID = "Root=1-5759e988-bd862e3fe1be46a994272793;Lineage=0:1:2";
  process.env.AWS_LAMBDA_FUNCTION_NAME = "worker";
  const functions = await open();
  await functions.invoke({});
  await functions.close();
  delete process.env._X_AMZN_TRACE_ID;
  delete process.env.AWS_LAMBDA_FUNCTION_NAME;
  assert.equal(requests[0]!.headers["x-amzn-trace-id"], undefined);
});

test("what is throttled is tried again until it is accepted", async () => {
  requests.length = 0;
  answer = (response) => (requests.length < 4 ? throttle(response) : accept(response));
  const functions = await open();
  await functions.invoke({});
  await functions.close();
  assert.equal(requests.length, 4);
});

test("throttling that does not end is told after a bounded time, with what Lambda said", async () => {
  answer = throttle;
  requests.length = 0;
  const functions = await open({ deadlineMs: 5000 });
  await assert.rejects(functions.invoke({}), {
    code: "functions-throttled",
    message: /lambda:worker \(eu-west-1, http:.*Rate Exceeded.*tried \d+ times/,
  });
  await functions.close();
});

test("an endpoint where nobody listens, and one that accepts in no way of Lambda's, are told as such", async () => {
  const nobody = await open({ firstAnswerMs: 100 }, `http://127.0.0.1:${await freePort()}`);
  await assert.rejects(nobody.invoke({}), { code: "functions-unreachable" });
  await nobody.close();
  answer = (response) => response.writeHead(200).end("<html>hello</html>");
  const other = await open();
  await assert.rejects(other.invoke({}), { code: "functions-foreign" });
  await other.close();
});

test("an event that Lambda would not take is refused before it is sent", async () => {
  requests.length = 0;
  const functions = await open();
  await assert.rejects(functions.invoke({ text: "x".repeat(2 ** 20) }), { code: "event-too-large" });
  await functions.close();
  assert.equal(requests.length, 0);
});

test("a URI of another form is refused", async () => {
  for (const uri of ["lambda:worker", "lambda:a/b?region=us-east-1", "nowhere:x", "x"]) {
    await assert.rejects(openFunctions(uri, AWS_ACCOUNT), { code: "functions-unknown" }, uri);
  }
});
