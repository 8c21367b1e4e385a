// The role and the code, held against each other.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";
import { frameKey } from "../../../src/allreduce/keys.ts";
import { manifestKey, statisticsKey } from "../../../src/data/manifest.ts";
import { mappingKeys } from "../../../src/run/mapping-keys.ts";
import { runKeys } from "../../../src/run/keys.ts";
import { isAllowed, scopeOf, statementsOf } from "./allowed.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));

/** https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html */
const ACTIONS: Readonly<Record<string, string>> = {
  GetObjectCommand: "s3:GetObject",
  HeadObjectCommand: "s3:GetObject",
  PutObjectCommand: "s3:PutObject",
  CreateMultipartUploadCommand: "s3:PutObject",
  UploadPartCommand: "s3:PutObject",
  CompleteMultipartUploadCommand: "s3:PutObject",
  AbortMultipartUploadCommand: "s3:AbortMultipartUpload",
  DeleteObjectsCommand: "s3:DeleteObject",
  ListObjectsV2Command: "s3:ListBucket",
  HeadBucketCommand: "s3:ListBucket",
  InvokeCommand: "lambda:InvokeFunction",
  ...Object.fromEntries(
    ["GetItem", "PutItem", "DeleteItem", "BatchGetItem", "BatchWriteItem", "Query", "Scan"].map((name) => [
      `${name}Command`,
      `dynamodb:${name}`,
    ]),
  ),
};

/** What Lambda itself does with the role, and the SDK before it speaks to an Express bucket. */
const BY_OTHERS = [
  ...["logs:CreateLogStream", "logs:PutLogEvents", "s3express:CreateSession"],
  ...["CreateNetworkInterface", "DescribeNetworkInterfaces", "DescribeSubnets", "DeleteNetworkInterface"].map(
    (name) => `ec2:${name}`,
  ),
  ...["ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"],
  ...["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"],
];

/** The names of the SDK's commands in all files that the function is made of. */
async function commandsOfFunction(): Promise<Set<string>> {
  const { metafile } = await esbuild.build({
    entryPoints: ["src/worker/handler.ts", "src/allreduce/io-thread/io-thread.ts"],
    ...{ absWorkingDir: root, bundle: true, splitting: true, format: "esm", platform: "node" },
    ...{ packages: "external", write: false, metafile: true, outdir: "unwritten" },
  });
  const commands = Object.keys(metafile.inputs).flatMap((path) => {
    const source = readFileSync(root + path, "utf8");
    return source.includes("@aws-sdk/")
      ? [...source.matchAll(/\bnew (\w+Command)\(/g)].map(([, name]) => name!)
      : [];
  });
  return new Set(commands);
}

test("the role allows what the function's code asks for, and nothing that it does not", async () => {
  const commands = await commandsOfFunction();
  assert.ok(commands.has("PutObjectCommand"), [...commands].join());
  const unknown = [...commands].filter((name) => !(name in ACTIONS));
  assert.deepEqual(unknown, [], "commands of which this test does not know the right");
  const needed = new Set([...[...commands].map((name) => ACTIONS[name]!), ...BY_OTHERS]);
  const all = scopeOf({ SubnetIds: ["subnet-1"], AccessPointArn: "a", ExpressZone: "z", TableName: "t" });
  const granted = new Set(statementsOf(all).flatMap(({ Action }) => Action));
  assert.deepEqual([...granted].sort(), [...needed].sort());
});

test("without optional parts there are no rights for them", () => {
  const services = statementsOf(scopeOf()).flatMap(({ Action }) =>
    Action.map((action) => action.split(":")[0]),
  );
  assert.deepEqual([...new Set(services)].sort(), ["lambda", "logs", "s3"]);
});

test("a function writes runs, frames and what it maps, reads data, and reaches no code and nothing of others", () => {
  const statements = statementsOf(scopeOf());
  const may = (action: string, resource: string) => isAllowed(statements, action, resource);
  const bucket = "arn:aws:s3:::bucket";
  const keys = runKeys("run");
  const frame = frameKey("run", { lane: 0, step: 1, level: 0, bucket: 0, rank: 0 });
  for (const key of [keys.model, keys.result(0, 3), frame]) {
    for (const verb of ["Get", "Put", "Delete"]) assert.ok(may(`s3:${verb}Object`, `${bucket}/${key}`), key);
  }
  assert.ok(may("s3:GetObject", `${bucket}/data/hash/train-0`));
  const mapped = mappingKeys("hash");
  for (const key of ["data/hash/train-00000-0.part", mapped.result(0, 3), mapped.end(0, "l")]) {
    assert.ok(may("s3:PutObject", `${bucket}/${key}`), key);
    assert.ok(!may("s3:DeleteObject", `${bucket}/${key}`), key);
  }
  for (const key of [manifestKey("hash"), statisticsKey("hash"), "data/names/higgs.json"]) {
    assert.ok(!may("s3:PutObject", `${bucket}/${key}`), key);
  }
  assert.ok(!may("s3:PutObject", `${bucket}/functions/code.zip`));
  assert.ok(!may("s3:GetObject", `${bucket}/functions/code.zip`));
  assert.ok(!may("s3:GetObject", `arn:aws:s3:::other/${keys.model}`));
  assert.ok(!may("s3:DeleteBucket", bucket));
  const functionArn = "arn:aws:lambda:eu-west-1:1:function:";
  assert.ok(may("lambda:InvokeFunction", `${functionArn}s`));
  assert.ok(!may("lambda:InvokeFunction", `${functionArn}other`));
});
