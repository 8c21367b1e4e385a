import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { LogLine } from "../../../src/coordinator/provider.ts";
import type { SltrainError } from "../../../src/errors.ts";
import { openFunctions } from "../../../src/functions/open-functions.ts";
import { deploy } from "../../../src/providers/lambda/deploy.ts";
import { LambdaProvider } from "../../../src/providers/lambda/lambda-provider.ts";
import { needs } from "../../support/requirement.ts";
import { type LocalAws, startLocalAws } from "./local-aws.ts";

const RUN = { runId: "r", storage: "s3://b", channel: "s3://b", memoryMiB: 512, timeoutS: 10 } as const;

describe("functions of a stack", needs("s3"), () => {
  let aws: LocalAws;
  let provider: LambdaProvider;

  before(async () => {
    aws = await startLocalAws(10);
    const settings = { MemoryMiB: "512", TimeoutS: "10" };
    await deploy({ stack: "runs", settings, env: aws.env, onEvent: () => undefined });
    provider = new LambdaProvider("runs", aws.env);
  });
  after(() => aws.close());

  test("as many workers as may run at once are let in, more are refused with the account's limit", async () => {
    assert.deepEqual(await provider.open({ ...RUN, workers: 10 }), {
      functions: "lambda:runs?region=us-east-1",
    });
    await assert.rejects(provider.open({ ...RUN, workers: 11 }), {
      code: "too-many-workers",
      message: /at most 10, as many functions as the account in us-east-1 may run/,
    });
    const { env } = aws;
    const settings = { ReservedConcurrency: "3" };
    await deploy({ stack: "reserved", settings, env, onEvent: () => undefined });
    await assert.rejects(new LambdaProvider("reserved", env).open({ ...RUN, workers: 4 }), {
      message: /at most 3, as many functions as the stack reserved/,
    });
  });

  test("a stack that is not there is told with the command that makes it", async () => {
    const nowhere = new LambdaProvider("nowhere", aws.env);
    await assert.rejects(nowhere.open({ ...RUN, workers: 1 }), (error: SltrainError) => {
      assert.equal(error.code, "stack-missing");
      assert.match(error.suggestions.join(), /sltrain deploy --stack nowhere.*another region or account/);
      return true;
    });
  });

  test("what functions print can be read by time and by invocation, and followed", async () => {
    const since = new Date();
    const left = new AbortController();
    const followed: LogLine[] = [];
    const following = (async () => {
      for await (const line of provider.logs({ since, follow: left.signal })) followed.push(line);
    })();
    const functions = await openFunctions("lambda:runs?region=us-east-1", aws.env);
    // No event of ours: the worker refuses it by throwing.
    await functions.invoke({ no: "event" });
    await functions.close();
    while (!followed.some(({ text }) => text.startsWith("REPORT"))) await sleep(50);
    left.abort();
    await following;
    const { requestId } = followed.find(({ text }) => text.startsWith("START"))!;
    assert.ok(requestId !== undefined);
    const lines = await Array.fromAsync(provider.logs({ since, requestIds: [requestId] }));
    assert.match(
      lines.map(({ text }) => text).join("\n"),
      /^START[\s\S]*event-invalid|worker event[\s\S]*REPORT/,
    );
    assert.ok(lines.every((line) => line.requestId === requestId));
    assert.equal(new Set(followed.map((line) => JSON.stringify(line))).size, followed.length, "told twice");
    const none = await Array.fromAsync(provider.logs({ since, requestIds: ["another"] }));
    assert.deepEqual(none, []);
  });
});
