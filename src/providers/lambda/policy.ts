// What a function may do: its own objects in its own bucket, its own function, its own logs, and what optional parts of
// the stack need. Code and models that others have stored are not among it.

import { type Value, getAtt, ifSet, join, ref, sub } from "./intrinsics.ts";

export type Statement = {
  readonly Sid: string;
  readonly Effect: "Allow";
  readonly Action: readonly string[];
  readonly Resource: Value;
  readonly Condition?: Value;
};

/** Which of the store's folders a worker changes; run/keys.ts and allreduce/keys.ts say what lies there. */
const WRITTEN_FOLDERS = ["runs", "?/frames"] as const;
/** What a data set is, its manifest says: that is written by whoever imports or transforms, with rights of their own. */
const READ_FOLDERS = ["data"] as const;
/** Functions that transform a data set put its partitions, and the results that they leave (run/mapping-keys.ts). */
const MAPPED_KEYS = ["data/*/*.part", "data/*/work/*"] as const;

const ownFunction = sub(
  "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:${AWS::StackName}",
);

const always: readonly Statement[] = [
  {
    ...{ Sid: "Objects", Effect: "Allow" },
    // Uploads in parts are puts; only ending one unfinished has a right of its own.
    Action: ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
    Resource: WRITTEN_FOLDERS.map(inBucket),
  },
  { Sid: "Data", Effect: "Allow", Action: ["s3:GetObject"], Resource: READ_FOLDERS.map(inBucket) },
  {
    ...{ Sid: "Mapped", Effect: "Allow", Action: ["s3:PutObject", "s3:AbortMultipartUpload"] },
    Resource: MAPPED_KEYS.map((key) => join(getAtt("Bucket", "Arn"), `/${key}`)),
  },
  {
    // Also for objects that are absent: without it S3 answers 403 instead of 404, and so it would with a condition on
    // the prefix, for a read has none.
    ...{ Sid: "List", Effect: "Allow", Action: ["s3:ListBucket"] },
    Resource: [getAtt("Bucket", "Arn")],
  },
  { Sid: "Successors", Effect: "Allow", Action: ["lambda:InvokeFunction"], Resource: [ownFunction] },
  {
    ...{ Sid: "Logs", Effect: "Allow", Action: ["logs:CreateLogStream", "logs:PutLogEvents"] },
    Resource: [getAtt("Logs", "Arn")],
  },
];

/** By the condition of the template under which it holds. */
const optional: Readonly<Record<string, Statement>> = {
  // https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions: interfaces have no
  // ARN before they are made.
  HasVpc: {
    ...{ Sid: "NetworkInterfaces", Effect: "Allow", Resource: "*" },
    Action: [
      "ec2:CreateNetworkInterface",
      "ec2:DescribeNetworkInterfaces",
      "ec2:DescribeSubnets",
      "ec2:DeleteNetworkInterface",
      "ec2:AssignPrivateIpAddresses",
      "ec2:UnassignPrivateIpAddresses",
    ],
  },
  HasAccessPoint: {
    ...{ Sid: "FileSystem", Effect: "Allow" },
    Action: ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"],
    Resource: [sub("arn:${AWS::Partition}:elasticfilesystem:${AWS::Region}:${AWS::AccountId}:file-system/*")],
    Condition: { StringEquals: { "elasticfilesystem:AccessPointArn": ref("AccessPointArn") } },
  },
  HasExpressBucket: {
    ...{ Sid: "ExpressBucket", Effect: "Allow", Action: ["s3express:CreateSession"] },
    Resource: [getAtt("ExpressBucket", "Arn")],
  },
  HasTable: {
    ...{ Sid: "Table", Effect: "Allow" },
    Action: ["GetItem", "PutItem", "DeleteItem", "BatchGetItem", "BatchWriteItem", "Query", "Scan"].map(
      (name) => `dynamodb:${name}`,
    ),
    Resource: [sub("arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${TableName}")],
  },
};

export const policyDocument: Value = {
  Version: "2012-10-17",
  Statement: [
    ...always,
    ...Object.entries(optional).map(([condition, statement]) => ifSet(condition, statement)),
  ],
};

function inBucket(folder: string): Value {
  return join(getAtt("Bucket", "Arn"), `/${folder}/*`);
}
