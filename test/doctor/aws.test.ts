import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, test } from "node:test";
import { AwsAccount } from "../../src/doctor/aws/aws-account.ts";
import { checkConcurrency } from "../../src/doctor/aws/concurrency.ts";
import { checkAccount, checkCredentials, checkRegion } from "../../src/doctor/aws/identity.ts";
import type { Check } from "../../src/doctor/check.ts";
import { examine } from "../../src/doctor/examine.ts";
import { AWS_ACCOUNT } from "../servers/server.ts";
import { listen } from "../storage/refusals.ts";

/** What Lambda and STS answer here. */
let limits: object = {};
const lambda = createServer((_, response) => response.end(JSON.stringify({ AccountLimit: limits })));
const sts = createServer((_, response) =>
  response.end(
    "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:sts::123456789012:assumed-role/trainer/me</Arn>" +
      "<UserId>id</UserId><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>",
  ),
);
const [lambdaUrl, stsUrl] = [await listen(lambda), await listen(sts)];
after(() => {
  for (const server of [lambda, sts]) {
    server.close();
    server.closeAllConnections();
  }
});

async function check(
  run: Check["run"],
  { env = {}, workers = 2 }: { readonly env?: Record<string, string>; readonly workers?: number } = {},
) {
  const all = { ...AWS_ACCOUNT, AWS_ENDPOINT_URL_LAMBDA: lambdaUrl, ...env };
  const config = { storage: "memory:a", channel: "memory:a", provider: "lambda", workers, memoryMiB: 1769 };
  const { checks } = await examine([{ name: "one", topic: "lambda", run }], {
    ...{ config, env: all, aws: new AwsAccount(all) },
  });
  return checks[0]!;
}

test("a new account's ten functions fit four workers with their successors, and more can be asked for", async () => {
  limits = { ConcurrentExecutions: 10, UnreservedConcurrentExecutions: 10 };
  const { outcome, found, remedies } = await check(checkConcurrency);
  assert.equal(outcome, "warning");
  assert.match(found, /10 functions at once: 4 workers/);
  assert.match(remedies.join(), /--workers 4 or fewer.*service-quotas request-service-quota-increase/);
  assert.equal((await check(checkConcurrency, { workers: 11 })).outcome, "failing");
});

test("what other functions have reserved does not count", async () => {
  limits = { ConcurrentExecutions: 1000, UnreservedConcurrentExecutions: 801 };
  const enough = await check(checkConcurrency, { workers: 400 });
  assert.equal(enough.outcome, "ok");
  assert.match(enough.found, /1,000 functions at once, 199 of them reserved: 400 workers/);
  assert.equal((await check(checkConcurrency, { workers: 401 })).outcome, "warning");
});

test("an endpoint that is not Lambda is failing, and the setting that names it is told", async () => {
  const { outcome, remedies } = await check(checkConcurrency, { env: { AWS_ENDPOINT_URL_LAMBDA: stsUrl } });
  assert.equal(outcome, "failing");
  assert.match(remedies.join(), /Something else listens at .*AWS_ENDPOINT_URL_LAMBDA/);
});

test("region, the credentials' source and the account are told, and no secret", async () => {
  const env = { AWS_ENDPOINT_URL_STS: stsUrl };
  assert.equal((await check(checkRegion, { env })).found, "us-east-1");
  const { found } = await check(checkCredentials, { env });
  assert.equal(found, "from AWS_ACCESS_KEY_ID");
  assert.equal((await check(checkAccount, { env })).found, "123456789012, as assumed-role/trainer/me");
});

test("a stand-in for Lambda has no account to ask for", async () => {
  const { outcome, found } = await check(checkAccount);
  assert.deepEqual([outcome, found], ["info", `none at ${lambdaUrl}`]);
});
