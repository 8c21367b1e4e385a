import assert from "node:assert/strict";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { after, test } from "node:test";
import { checkConcurrency } from "../../src/doctor/aws/concurrency.ts";
import { checkAccount, checkCredentials, checkRegion } from "../../src/doctor/aws/identity.ts";
import { checkPermissions } from "../../src/doctor/aws/permissions.ts";
import type { Check, DoctoredConfig } from "../../src/doctor/check.ts";
import { AWS_ACCOUNT } from "../servers/server.ts";
import { listen } from "../storage/refusals.ts";
import { checkAlone, subjectOf } from "./subject.ts";

/** What stand-ins for Lambda, STS, IAM and CloudFormation answer: no server that can run here knows accounts. */
let limits: object = {};
const lambda = createServer((_, response) => response.end(JSON.stringify({ AccountLimit: limits })));

let caller = "assumed-role/trainer/me";
/** Actions that the simulator denies; undefined if it may not be asked. */
let denied: readonly string[] | undefined = [];
const simulated = new Set<string>();

const query = createServer((request, response) => {
  void text(request).then((body) => {
    const form = new URLSearchParams(body);
    const action = form.get("Action")!;
    const [status, content] = answers[action]!(form);
    response.writeHead(status);
    response.end(
      status === 200
        ? `<${action}Response><${action}Result>${content}</${action}Result></${action}Response>`
        : `<ErrorResponse><Error><Type>Sender</Type><Code>${content}</Code><Message>it does not exist</Message></Error></ErrorResponse>`,
    );
  });
});
const answers: Readonly<Record<string, (form: URLSearchParams) => [status: number, content: string]>> = {
  GetCallerIdentity: () => [
    200,
    `<Arn>arn:aws:sts::123456789012:${caller}</Arn><UserId>id</UserId><Account>123456789012</Account>`,
  ],
  DescribeStacks: () => [400, "ValidationError"],
  GetRole: (form) => {
    assert.equal(form.get("RoleName"), "trainer");
    return [200, "<Role><Arn>arn:aws:iam::123456789012:role/teams/trainer</Arn></Role>"];
  },
  SimulatePrincipalPolicy: (form) => {
    if (denied === undefined) return [403, "AccessDenied"];
    simulated.add(form.get("PolicySourceArn")!);
    const actions = [...form].filter(([name]) => name.startsWith("ActionNames.")).map(([, value]) => value);
    const members = actions.map((action) => {
      const decision = denied!.includes(action) ? "implicitDeny" : "allowed";
      return `<member><EvalActionName>${action}</EvalActionName><EvalDecision>${decision}</EvalDecision></member>`;
    });
    return [200, `<EvaluationResults>${members.join("")}</EvaluationResults>`];
  },
};
const [lambdaUrl, queryUrl] = [await listen(lambda), await listen(query)];
after(() => {
  for (const server of [lambda, query]) {
    server.close();
    server.closeAllConnections();
  }
});
const endpoints = {
  AWS_ENDPOINT_URL_LAMBDA: lambdaUrl,
  ...{
    AWS_ENDPOINT_URL_STS: queryUrl,
    AWS_ENDPOINT_URL_IAM: queryUrl,
    AWS_ENDPOINT_URL_CLOUDFORMATION: queryUrl,
  },
};

function check(run: Check["run"], changes: Partial<DoctoredConfig> = {}, env: NodeJS.ProcessEnv = endpoints) {
  return checkAlone(run, subjectOf({ ...AWS_ACCOUNT, ...env }, changes));
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
  assert.match(enough.found, /1,000 functions at once, 199 of them reserved for others: 400 workers/);
  assert.equal((await check(checkConcurrency, { workers: 401 })).outcome, "warning");
});

test("an endpoint that is not Lambda is failing, and the setting that names it is told", async () => {
  const wrong = { ...endpoints, AWS_ENDPOINT_URL_LAMBDA: await listen(stranger) };
  const { outcome, remedies } = await check(checkConcurrency, {}, wrong);
  assert.equal(outcome, "failing");
  assert.match(remedies.join(), /Something else listens at .*AWS_ENDPOINT_URL_LAMBDA/);
});
const stranger = createServer((_, response) => response.writeHead(404).end("<html>nothing here</html>"));
after(() => {
  stranger.close();
  stranger.closeAllConnections();
});

test("region, the credentials' source and the account are told, and no secret", async () => {
  assert.equal((await check(checkRegion)).found, "us-east-1");
  assert.equal((await check(checkCredentials)).found, "from AWS_ACCESS_KEY_ID");
  assert.equal((await check(checkAccount)).found, "123456789012, as assumed-role/trainer/me");
});

test("a stand-in for Lambda has no account to ask for", async () => {
  const { outcome, found } = await check(checkAccount, {}, { AWS_ENDPOINT_URL_LAMBDA: lambdaUrl });
  assert.deepEqual([outcome, found], ["info", `none at ${lambdaUrl}`]);
});

test("rights are simulated for the session's role by its whole ARN, those to train apart from those to deploy", async () => {
  const permissions = async (...names: string[]) => {
    denied = names;
    const { outcome, found } = await check(checkPermissions);
    return [outcome, found];
  };
  assert.equal((await permissions())[0], "ok");
  assert.deepEqual([...simulated], ["arn:aws:iam::123456789012:role/teams/trainer"]);
  assert.deepEqual(await permissions("iam:PassRole"), ["warning", "may train but not deploy: iam:PassRole"]);
  assert.deepEqual(await permissions("s3:PutObject", "iam:PassRole"), [
    "failing",
    "not allowed: s3:PutObject",
  ]);
});

test("where the simulator may not be asked, that is told; the root user is warned of", async () => {
  denied = undefined;
  const { outcome, found } = await check(checkPermissions);
  assert.equal(outcome, "info");
  assert.match(found, /iam:SimulatePrincipalPolicy.*no function to try/);
  caller = "root";
  assert.equal((await check(checkPermissions)).outcome, "warning");
});
