import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, test } from "node:test";
import { SltrainError } from "../../src/errors.ts";
import { awsClientSettings, customEndpoint, settledRegion } from "../../src/storage/aws/account.ts";
import { awsError } from "../../src/storage/aws/aws-error.ts";
import { AWS_ACCOUNT, freePort } from "../servers/server.ts";
import { listen, openWith, refusalOf } from "./refusals.ts";

interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
}

let answer: Answer = { status: 500, body: "" };
const server = createServer((request, response) => {
  request.resume().on("end", () => response.writeHead(answer.status, answer.headers).end(answer.body));
});
const origin = await listen(server);
after(() => server.close());

/** As Lambda words its refusals: the type in a header. */
function refusal(status: number, type: string, message = "told"): Answer {
  return { status, headers: { "x-amzn-errortype": type }, body: JSON.stringify({ message }) };
}

async function invoke(given: Answer, endpoint = origin): Promise<SltrainError> {
  answer = given;
  const region = "us-east-1";
  const client = new LambdaClient(awsClientSettings(new URL(endpoint), AWS_ACCOUNT));
  const place = { part: "functions", what: "invoke", resource: "lambda:worker", endpoint, region } as const;
  try {
    await client.send(new InvokeCommand({ FunctionName: "worker", InvocationType: "Event", Payload: "{}" }));
    assert.fail("the request succeeded");
  } catch (error) {
    const told = awsError({ ...place, createCommand: "sltrain deploy" }, error);
    assert.ok(told instanceof SltrainError, String(told));
    assert.match(told.message, /^invoke: expected .*lambda:worker/);
    return told;
  } finally {
    client.destroy();
  }
}

test("each refusal of Lambda's has a code, and says whether to try again", async () => {
  const cases = [
    [refusal(404, "ResourceNotFoundException"), "function-missing", false],
    [refusal(403, "AccessDeniedException"), "functions-denied", false],
    [refusal(403, "UnrecognizedClientException"), "functions-denied", false],
    [refusal(403, "ExpiredTokenException"), "functions-denied", false],
    [refusal(413, "RequestTooLargeException"), "event-too-large", false],
    [refusal(429, "TooManyRequestsException"), "functions-throttled", true],
    [refusal(409, "ResourceConflictException"), "functions-contested", true],
    [refusal(500, "ServiceException"), "functions-failed", true],
    [{ status: 502, body: "" }, "functions-failed", true],
  ] as const;
  for (const [given, code, retryable] of cases) {
    const error = await invoke(given);
    assert.deepEqual([error.code, error.retryable], [code, retryable]);
  }
});

test("a missing function, an expired session and too many functions at once are told with what to do", async () => {
  const suggestionsFor = async (given: Answer) => (await invoke(given)).suggestions.join(" ");
  assert.match(await suggestionsFor(refusal(404, "ResourceNotFoundException")), /`sltrain deploy`/);
  assert.match(await suggestionsFor(refusal(403, "ExpiredTokenException")), /aws sso login/);
  assert.match(await suggestionsFor(refusal(429, "TooManyRequestsException")), /sltrain doctor/);
});

test("an endpoint that is not Lambda is told as such, with the settings that name it", async () => {
  const strangers: Answer[] = [
    { status: 404, headers: { "content-type": "text/html" }, body: "<html>not found</html>" },
    { status: 405, body: "<?xml version='1.0'?><Error><Code>MethodNotAllowed</Code></Error>" },
    { status: 404, body: JSON.stringify({ error: "no such route" }) },
  ];
  for (const given of strangers) {
    const error = await invoke(given);
    assert.equal(error.code, "functions-foreign");
    assert.equal(error.retryable, false);
    assert.match(error.suggestions.join(), /Something else listens at http:.*--endpoint-url/);
  }
});

test("an endpoint where nobody listens can be tried again", async () => {
  const error = await invoke(answer, `http://127.0.0.1:${await freePort()}`);
  assert.deepEqual([error.code, error.retryable], ["functions-unreachable", true]);
});

test("a bucket of somebody else's is denied, and another name is suggested", async () => {
  answer = { status: 403, body: "<Error><Code>AccessDenied</Code><Message>told</Message></Error>" };
  const error = await refusalOf(await openWith({ AWS_ENDPOINT_URL_S3: origin }, "s3://others-bucket"));
  assert.equal(error.code, "storage-denied");
  assert.match(error.suggestions.join(), /somebody else's/);
});

test("no region, no credentials and an endpoint that is no address are errors of their own", async () => {
  const lost = () => Promise.reject(new Error("not found"));
  const found = () => Promise.resolve("us-east-1");
  await assert.rejects(settledRegion({ region: lost, credentials: found }), { code: "aws-region" });
  await assert.rejects(settledRegion({ region: found, credentials: lost }), { code: "aws-credentials" });
  assert.throws(() => customEndpoint("lambda", { AWS_ENDPOINT_URL: "localhost:9" }), {
    code: "aws-endpoint",
    message: /^AWS_ENDPOINT_URL: .*localhost:9/,
  });
});
