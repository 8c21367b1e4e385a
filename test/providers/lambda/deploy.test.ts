// The real clients of CloudFormation, Lambda and S3, against the local service and a real S3 server.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { GetFunctionCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { deploy, type DeployEvent, destroy, findDeployment } from "../../../src/providers/lambda/deploy.ts";
import { type StackSettings } from "../../../src/providers/lambda/deploy.ts";
import { openStorage } from "../../../src/storage/open.ts";
import { needs } from "../../support/requirement.ts";
import { type LocalAws, startLocalAws } from "./local-aws.ts";

describe("a stack on the local service", needs("s3"), () => {
  let aws: LocalAws;
  const events: DeployEvent[] = [];

  before(async () => {
    aws = await startLocalAws(10);
  });
  after(() => aws.close());

  const make = (stack: string, settings: StackSettings = {}) =>
    deploy({ stack, settings, env: aws.env, onEvent: (event) => events.push(event) });
  const unmake = (stack: string, confirmed = true) =>
    destroy({ stack, env: aws.env, confirmed, onEvent: (event) => events.push(event) });

  test("a deployment makes a bucket and a function, and a second one changes nothing", async () => {
    events.length = 0;
    const made = await make("once", { TimeoutS: "30" });
    assert.equal(made.change, "created");
    assert.equal(made.functions, "lambda:once?region=us-east-1");
    assert.match(made.storage, /^s3:\/\/once-bucket-/);
    assert.deepEqual([made.settings.MemoryMiB, made.settings.TimeoutS], ["1769", "30"]);
    const steps = events.map((event) =>
      event.event === "stack.progress" ? `${event.resource} ${event.status}` : event.event,
    );
    for (const step of ["Bucket CREATE_COMPLETE", "code.uploaded", "Function CREATE_COMPLETE"]) {
      assert.ok(steps.includes(step), steps.join("\n"));
    }
    assert.ok(steps.indexOf("code.uploaded") < steps.indexOf("Function CREATE_COMPLETE"));
    const client = new LambdaClient({ endpoint: aws.service.endpoint });
    const { Configuration } = await client.send(new GetFunctionCommand({ FunctionName: "once" }));
    assert.deepEqual([Configuration!.MemorySize, Configuration!.Timeout], [1769, 30]);
    client.destroy();

    events.length = 0;
    assert.deepEqual(await make("once", { TimeoutS: "30" }), { ...made, change: "none" });
    assert.deepEqual(events, []);
    assert.deepEqual(await findDeployment({ stack: "once", env: aws.env }), { ...made, change: "none" });
  });

  test("a setting that is not given stays what it was", async () => {
    await make("kept", { TimeoutS: "30", ReservedConcurrency: "4" });
    const changed = await make("kept", { MemoryMiB: "512" });
    assert.equal(changed.change, "updated");
    const { MemoryMiB, TimeoutS, ReservedConcurrency } = changed.settings;
    assert.deepEqual([MemoryMiB, TimeoutS, ReservedConcurrency], ["512", "30", "4"]);
    const { memoryMiB, reservedConcurrency, maximumRetryAttempts } = aws.service.registry.find("kept")!;
    assert.deepEqual([memoryMiB, reservedConcurrency, maximumRetryAttempts], [512, 4, 2]);
  });

  test("a setting that cannot be is refused, naming it", async () => {
    await assert.rejects(make("refused", { MemoryMiB: "64" }), {
      code: "stack-failed",
      message: /MemoryMiB/,
    });
    await assert.rejects(make("refused", { Architecture: "mips" }), { message: /Architecture/ });
    await assert.rejects(make("no name"), { code: "stack-invalid" });
    await assert.rejects(findDeployment({ stack: "refused", env: aws.env }), { code: "stack-missing" });
  });

  test("what fails is undone, told with the reason, and can be deployed again", async () => {
    const accessPoint = "arn:aws:elasticfilesystem:us-east-1:1:access-point/fsap-1";
    await assert.rejects(make("failing", { ExpressZone: "use1-az4" }), {
      code: "stack-failed",
      message: /ROLLBACK_COMPLETE.*ExpressBucket: the local service has no resources AWS::S3Express/,
    });
    assert.equal((await make("failing")).change, "created");
    await assert.rejects(make("failing", { AccessPointArn: accessPoint }), {
      message: /UPDATE_ROLLBACK_COMPLETE.*Function: the local service has no FileSystemConfigs/,
    });
    assert.equal((await findDeployment({ stack: "failing", env: aws.env })).settings.AccessPointArn, "");
  });

  test("destroying wants a confirmation that says what is lost, and leaves nothing", async () => {
    const { storage: uri } = await make("gone");
    const storage = await openStorage(uri);
    await storage.put("runs/a/manifest.json", [Buffer.from("{}")]);
    await assert.rejects(unmake("gone", false), {
      code: "confirmation-missing",
      message: /the 1 runs there/,
    });
    assert.ok(await storage.get({ key: "runs/a/manifest.json" }));
    await unmake("gone");
    await assert.rejects(storage.get({ key: "runs/a/manifest.json" }), { code: "storage-missing" });
    await storage.close();
    assert.equal(aws.service.registry.find("gone"), undefined);
    await assert.rejects(unmake("gone"), { code: "stack-missing" });
  });
});
