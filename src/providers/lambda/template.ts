// The stack of `sltrain deploy` as CloudFormation's template: one bucket, one function, its role and its logs. It is the
// same for everybody; what differs is a parameter. Resources cost nothing while no run goes on but what the bucket holds.

import { framePrefixes } from "../../allreduce/keys.ts";
import { HANDLER } from "../function-bundle.ts";
import { getAtt, ifSet, isSet, ref, sub, type Value } from "./intrinsics.ts";
import { code, secrets, secretVariables, settings, type StackParameter } from "./parameters.ts";
import { policyDocument } from "./policy.ts";

export interface Resource {
  readonly Type: string;
  readonly Condition?: string;
  readonly DependsOn?: string;
  readonly DeletionPolicy?: "Delete";
  readonly UpdateReplacePolicy?: "Delete";
  readonly Properties: Readonly<Record<string, Value>>;
}

export interface Template {
  readonly AWSTemplateFormatVersion: "2010-09-09";
  readonly Description: string;
  readonly Parameters: Readonly<Record<string, StackParameter>>;
  readonly Conditions: Readonly<Record<string, Value>>;
  readonly Resources: Readonly<Record<string, Resource>>;
  readonly Outputs: Readonly<Record<string, { readonly Value: Value; readonly Condition?: string }>>;
}

/** https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html: tried again after one minute and two. */
const RETRIES = 2;
/** Just long enough for both: a worker that is missed is started anew within seconds, by its peers. */
const MAX_EVENT_AGE_S = 300;

/** Where functions have the file system of the access point. */
export const MOUNT_PATH = "/mnt/sltrain";

const parameters: Readonly<Record<string, StackParameter>> = { ...code, ...settings, ...secrets };

/** The condition that an optional parameter is given. */
const conditionOf = {
  CodeKey: "HasCode",
  ReservedConcurrency: "HasReservedConcurrency",
  SubnetIds: "HasVpc",
  AccessPointArn: "HasAccessPoint",
  ExpressZone: "HasExpressBucket",
  TableName: "HasTable",
  RedisUsername: "HasRedisUsername",
  RedisPassword: "HasRedisPassword",
  PsToken: "HasPsToken",
} as const satisfies Partial<Record<keyof typeof settings | keyof typeof secrets | "CodeKey", string>>;

const uploadsEnd = {
  Id: "uploads",
  Status: "Enabled",
  AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 },
};
const framesExpire = framePrefixes("*").map((prefix) => ({
  ...{ Id: `frames-${prefix[0]!}`, Status: "Enabled", ExpirationInDays: ref("FrameDays") },
  Prefix: prefix.replace("*/", ""),
}));

const bucket: Resource = {
  Type: "AWS::S3::Bucket",
  DeletionPolicy: "Delete",
  UpdateReplacePolicy: "Delete",
  Properties: {
    LifecycleConfiguration: { Rules: [uploadsEnd, ...framesExpire] },
    PublicAccessBlockConfiguration: {
      ...{
        BlockPublicAcls: true,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
        RestrictPublicBuckets: true,
      },
    },
    OwnershipControls: { Rules: [{ ObjectOwnership: "BucketOwnerEnforced" }] },
  },
};

/** Frames in the functions' zone: requests for a fifth of the price, in single-digit milliseconds. */
const expressBucket: Resource = {
  Type: "AWS::S3Express::DirectoryBucket",
  Condition: conditionOf.ExpressZone,
  DeletionPolicy: "Delete",
  UpdateReplacePolicy: "Delete",
  Properties: {
    DataRedundancy: "SingleAvailabilityZone",
    LocationName: ref("ExpressZone"),
    LifecycleConfiguration: { Rules: [uploadsEnd, ...framesExpire] },
  },
};

const logs: Resource = {
  Type: "AWS::Logs::LogGroup",
  DeletionPolicy: "Delete",
  UpdateReplacePolicy: "Delete",
  Properties: { LogGroupName: sub("/aws/lambda/${AWS::StackName}"), RetentionInDays: ref("LogDays") },
};

const role: Resource = {
  Type: "AWS::IAM::Role",
  Properties: {
    AssumeRolePolicyDocument: {
      Version: "2012-10-17",
      Statement: [
        { Effect: "Allow", Principal: { Service: "lambda.amazonaws.com" }, Action: "sts:AssumeRole" },
      ],
    },
    Policies: [{ PolicyName: "worker", PolicyDocument: policyDocument }],
  },
};

const environment = Object.fromEntries(
  Object.entries(secretVariables).map(([name, variable]) => [
    variable,
    ifSet(conditionOf[name as keyof typeof secretVariables], ref(name)),
  ]),
);

const lambdaFunction: Resource = {
  Type: "AWS::Lambda::Function",
  Condition: conditionOf.CodeKey,
  Properties: {
    FunctionName: ref("AWS::StackName"),
    Runtime: "nodejs24.x",
    Handler: HANDLER,
    Code: { S3Bucket: ref("Bucket"), S3Key: ref("CodeKey") },
    Role: getAtt("Role", "Arn"),
    MemorySize: ref("MemoryMiB"),
    Timeout: ref("TimeoutS"),
    Architectures: [ref("Architecture")],
    // Generations of a worker start each other: after 16 Lambda would take that for a mistake and end the run
    // (https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html).
    RecursiveLoop: "Allow",
    LoggingConfig: { LogFormat: "Text", LogGroup: ref("Logs") },
    Environment: { Variables: environment },
    ReservedConcurrentExecutions: ifSet(conditionOf.ReservedConcurrency, ref("ReservedConcurrency")),
    VpcConfig: ifSet(conditionOf.SubnetIds, {
      SubnetIds: ref("SubnetIds"),
      SecurityGroupIds: ref("SecurityGroupIds"),
    }),
    FileSystemConfigs: ifSet(conditionOf.AccessPointArn, [
      { Arn: ref("AccessPointArn"), LocalMountPath: MOUNT_PATH },
    ]),
  },
};

const invocations: Resource = {
  Type: "AWS::Lambda::EventInvokeConfig",
  Condition: conditionOf.CodeKey,
  Properties: {
    FunctionName: ref("Function"),
    Qualifier: "$LATEST",
    MaximumRetryAttempts: RETRIES,
    MaximumEventAgeInSeconds: MAX_EVENT_AGE_S,
  },
};

export const template: Template = {
  AWSTemplateFormatVersion: "2010-09-09",
  Description: "sltrain: trains models on functions that exchange their gradients through storage.",
  Parameters: parameters,
  Conditions: Object.fromEntries(
    Object.entries(conditionOf).map(([name, condition]) => [condition, isSet(name, parameters[name]!.Type)]),
  ),
  Resources: {
    Bucket: bucket,
    ExpressBucket: expressBucket,
    Logs: logs,
    Role: role,
    Function: lambdaFunction,
    Invocations: invocations,
  },
  Outputs: {
    Storage: { Value: sub("s3://${Bucket}") },
    Channel: { Condition: conditionOf.ExpressZone, Value: sub("s3://${ExpressBucket}") },
    Function: { Condition: conditionOf.CodeKey, Value: ref("Function") },
  },
};

/** As it is printed and uploaded. */
export const templateText = `${JSON.stringify(template, undefined, 2)}\n`;
