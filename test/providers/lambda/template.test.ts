import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { framePrefixes } from "../../../src/allreduce/keys.ts";
import { evaluate, type Scope } from "../../../src/providers/lambda/intrinsics.ts";
import { settingFlag, type StackSetting } from "../../../src/providers/lambda/parameters.ts";
import { template, templateText } from "../../../src/providers/lambda/template.ts";
import { resourcesOf, scopeOf } from "./allowed.ts";

const hasLint = process.env.PATH!.split(":").some((folder) => existsSync(join(folder, "cfn-lint")));

test(
  "cfn-lint finds nothing to say about the template",
  { skip: !hasLint && "cfn-lint is not installed" },
  () => {
    const folder = mkdtempSync(join(tmpdir(), "sltrain-template-"));
    const wrong = structuredClone(template) as unknown as { Resources: { Bucket: { Properties: object } } };
    Object.assign(wrong.Resources.Bucket.Properties, { NoSuchProperty: 1 });
    const files = { "template.json": templateText, "wrong.json": JSON.stringify(wrong) };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    const args = ["--format", "parseable", "--", ...Object.keys(files)];
    const { stdout } = spawnSync("cfn-lint", args, { cwd: folder, encoding: "utf8" });
    rmSync(folder, { recursive: true });
    // One finding, and that in the file that has a mistake.
    assert.match(stdout, /^wrong\.json:.*NoSuchProperty.*\n$/);
  },
);

function properties(resource: string, scope: Scope): Record<string, unknown> {
  return evaluate(template.Resources[resource]!.Properties, scope) as Record<string, unknown>;
}

test("without settings there is one bucket, and a function only once there is code", () => {
  assert.deepEqual(resourcesOf(scopeOf()), ["Bucket", "Logs", "Role"]);
  const scope = scopeOf({ CodeKey: "functions/x.zip" });
  assert.deepEqual(resourcesOf(scope), ["Bucket", "Logs", "Role", "Function", "Invocations"]);
  const { VpcConfig, FileSystemConfigs, ReservedConcurrentExecutions, Environment, Code, MemorySize } =
    properties("Function", scope);
  assert.deepEqual(
    [VpcConfig, FileSystemConfigs, ReservedConcurrentExecutions],
    [undefined, undefined, undefined],
  );
  assert.deepEqual(Environment, { Variables: {} });
  assert.deepEqual(Code, { S3Bucket: "bucket", S3Key: "functions/x.zip" });
  assert.equal(MemorySize, 1769);
});

test("a VPC, a file system, an Express bucket, a limit and secrets come with their settings", () => {
  const scope = scopeOf({
    CodeKey: "functions/x.zip",
    SubnetIds: ["subnet-1", "subnet-2"],
    SecurityGroupIds: ["sg-1"],
    AccessPointArn: "arn:aws:elasticfilesystem:eu-west-1:1:access-point/fsap-1",
    ExpressZone: "euw1-az1",
    ReservedConcurrency: "20",
    RedisPassword: "hidden",
  });
  assert.ok(resourcesOf(scope).includes("ExpressBucket"));
  const { VpcConfig, FileSystemConfigs, ReservedConcurrentExecutions, Environment } = properties(
    "Function",
    scope,
  );
  assert.deepEqual(VpcConfig, { SubnetIds: ["subnet-1", "subnet-2"], SecurityGroupIds: ["sg-1"] });
  assert.equal((FileSystemConfigs as { LocalMountPath: string }[])[0]!.LocalMountPath, "/mnt/sltrain");
  assert.equal(ReservedConcurrentExecutions, "20");
  assert.deepEqual(Environment, { Variables: { REDIS_PASSWORD: "hidden" } });
  assert.equal(properties("ExpressBucket", scope).LocationName, "euw1-az1");
});

test("frames of every run expire, and nothing else", () => {
  const { LifecycleConfiguration } = properties("Bucket", scopeOf()) as {
    LifecycleConfiguration: { Rules: { Prefix?: string; ExpirationInDays?: number }[] };
  };
  const expiring = LifecycleConfiguration.Rules.filter(
    ({ ExpirationInDays }) => ExpirationInDays !== undefined,
  );
  assert.deepEqual(
    expiring.map(({ Prefix }) => `${Prefix}run/`),
    framePrefixes("run"),
  );
});

test("a setting's flag is its name in the command line's spelling", () => {
  const flags = { MemoryMiB: "memory-mib", TimeoutS: "timeout-s", AccessPointArn: "access-point-arn" };
  for (const [name, flag] of Object.entries(flags)) assert.equal(settingFlag(name as StackSetting), flag);
});
