import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { checkConcurrency } from "../../src/doctor/aws/concurrency.ts";
import { checkStack } from "../../src/doctor/aws/stack.ts";
import { deploy } from "../../src/providers/lambda/deploy.ts";
import { Stack } from "../../src/providers/lambda/stack.ts";
import { templateText } from "../../src/providers/lambda/template.ts";
import { type LocalAws, startLocalAws } from "../providers/lambda/local-aws.ts";
import { needs } from "../support/requirement.ts";
import { checkAlone, subjectOf } from "./subject.ts";

describe("doctor on a stack", needs("s3"), () => {
  let aws: LocalAws;
  before(async () => {
    aws = await startLocalAws(1000);
  });
  after(() => aws.close());

  test("none, one of this version, one of another version and its reserved functions are told apart", async () => {
    const { env } = aws;
    const stack = async () => {
      const { outcome, found } = await checkAlone(checkStack, subjectOf(env, { stack: "trial" }));
      return [outcome, found];
    };
    assert.deepEqual(await stack(), [
      "info",
      "no trial here; `sltrain deploy --stack trial` makes it, and so does `sltrain train`",
    ]);

    const settings = { MemoryMiB: "512", ReservedConcurrency: "7" };
    await deploy({ stack: "trial", settings, env, onEvent: () => undefined });
    assert.deepEqual(await stack(), ["ok", "trial: 512 MiB, 900 s, arm64, this version"]);
    const { found, remedies } = await checkAlone(
      checkConcurrency,
      subjectOf(env, { stack: "trial", workers: 5 }),
    );
    assert.match(found, /7 of them reserved for trial: 3 workers/);
    assert.match(remedies.join(), /--reserved-concurrency 11/);

    const deployed = await Stack.open("trial", env);
    const tags = { "sltrain-template": "older" };
    await deployed.update((await deployed.describe())!, {
      template: templateText,
      parameters: { MemoryMiB: "640" },
      tags,
    });
    deployed.close();
    assert.deepEqual(await stack(), ["warning", "trial: 640 MiB, 900 s, arm64, another version"]);
  });
});
