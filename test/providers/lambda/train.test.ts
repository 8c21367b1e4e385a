// `sltrain train --provider lambda` as a user runs it, on the local service with a real S3 server: the code that runs
// against AWS.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { deploy } from "../../../src/providers/lambda/deploy.ts";
import { eventsOf, sltrain, temporaryFolder } from "../../support/cli.ts";
import { needs } from "../../support/requirement.ts";
import { isAllowed, scopeOf, statementsOf } from "./allowed.ts";
import { type LocalAws, startLocalAws } from "./local-aws.ts";
import { recordS3Requests } from "./s3-requests.ts";

const RUN = ["--model", "lr", "--epochs", "1", "--workers", "2", "--batch-size", "2048", "--json"];

describe("train --provider lambda", needs("s3"), () => {
  const folder = temporaryFolder();
  let aws: LocalAws;

  before(async () => {
    aws = await startLocalAws(50);
  });
  after(async () => {
    await aws.close();
    folder.remove();
  });

  const train = (...args: string[]) =>
    sltrain(
      ["train", "--provider", "lambda", "--endpoint-url", aws.service.endpoint, ...RUN, ...args],
      folder.path,
    );

  test("it deploys what is missing, trains in the stack's bucket, and ends with the bits of local functions", async () => {
    const ended = await train("--memory", "1000", "--timeout-s", "20");
    assert.equal(ended.code, 0, ended.stdout + ended.stderr);
    const events = eventsOf(ended);
    assert.ok(events.some(({ event }) => event === "code.uploaded"));
    const started = events.find(({ event }) => event === "run.started")!;
    assert.match(String(started.storage), /^s3:\/\/sltrain-bucket-/);
    const { memoryMiB, timeoutS } = aws.service.registry.find("sltrain")!;
    assert.deepEqual([memoryMiB, timeoutS], [1000, 20]);
    const local = eventsOf(await sltrain(["train", ...RUN], folder.path));
    assert.equal(events.at(-1)!.parametersSha256, local.at(-1)!.parametersSha256);
  });

  test("functions ask S3 for nothing that the role does not allow, and for all kinds that it does", async () => {
    const { storage } = await deploy({
      stack: "watched",
      settings: {},
      env: aws.env,
      onEvent: () => undefined,
    });
    const s3 = await recordS3Requests(process.env.AWS_ENDPOINT_URL_S3!);
    const spec = aws.service.registry.find("watched")!;
    const environment = { ...spec.environment, AWS_ENDPOINT_URL_S3: s3.endpoint };
    aws.service.registry.register({ ...spec, environment });
    const ended = await train("--stack", "watched");
    s3.close();
    assert.equal(ended.code, 0, ended.stdout + ended.stderr);
    const bucket = storage.slice("s3://".length);
    const statements = statementsOf(scopeOf({ Bucket: bucket }));
    const refused = s3.rights.filter(({ action, resource }) => !isAllowed(statements, action, resource));
    assert.deepEqual(refused.slice(0, 5), []);
    const asked = [...new Set(s3.rights.map(({ action }) => action))].sort();
    assert.deepEqual(asked, ["s3:DeleteObject", "s3:GetObject", "s3:ListBucket", "s3:PutObject"]);
  });

  test("a folder of this machine is no storage for functions at AWS", async () => {
    const args = ["train", "--provider", "lambda", "--storage", "fs:runs", ...RUN];
    const { code, stdout } = await sltrain(args, folder.path);
    assert.equal(code, 1);
    assert.match(stdout, /storage-unshared.*functions at AWS/);
  });
});
