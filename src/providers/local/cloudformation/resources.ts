// What the resources of our template are on this machine: a bucket on the S3 server that the environment names, a
// function of the local service. A role and a log group are only known by their names. What cannot be had here fails, as
// it would at AWS: with a reason.

import {
  CreateBucketCommand,
  DeleteBucketCommand,
  type LifecycleRule,
  PutBucketLifecycleConfigurationCommand,
} from "@aws-sdk/client-s3";
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { customEndpoint } from "../../../storage/aws/account.ts";
import { S3Bucket } from "../../../storage/aws/s3-bucket.ts";
import { openStorage } from "../../../storage/open.ts";
import type { FunctionRegistry } from "../function-spec.ts";
import { unzip } from "../unzip.ts";

/** Where resources are made. */
export interface Place {
  readonly registry: FunctionRegistry;
  /** Of the service: what functions start functions with. */
  readonly endpoint: string;
  /** Code of functions is unpacked below it. */
  readonly codeFolder: string;
  readonly region: string;
}

export const ACCOUNT_ID = "000000000000";

export type Properties = Readonly<Record<string, unknown>>;

/** A resource as it is: what `Ref` and `Fn::GetAtt` give. */
export interface Made {
  readonly id: string;
  readonly attributes: Readonly<Record<string, string>>;
}

interface ResourceType {
  /** Makes or changes it. `before`: the one that is changed. */
  apply(properties: Properties, context: Context, before: Made | undefined): Promise<Made> | Made;
  remove?(made: Made, context: Context): Promise<void> | void;
}

export interface Context extends Place {
  readonly stackName: string;
}

const FUNCTION_PROPERTIES: ReadonlySet<string> = new Set([
  ...["FunctionName", "Runtime", "Handler", "Code", "Role", "MemorySize", "Timeout", "Architectures"],
  ...["RecursiveLoop", "LoggingConfig", "Environment", "ReservedConcurrentExecutions"],
]);

export const resourceTypes: Readonly<Record<string, ResourceType>> = {
  "AWS::S3::Bucket": {
    async apply(properties, { stackName }, before) {
      // A stack of this machine never makes a bucket at AWS.
      if (customEndpoint("s3", process.env) === undefined) {
        throw new Error(
          "the local service was started without AWS_ENDPOINT_URL_S3, an S3 server for buckets",
        );
      }
      const id = before?.id ?? `${stackName.toLowerCase()}-bucket-${randomBytes(6).toString("hex")}`;
      const bucket = await S3Bucket.open(id, process.env);
      try {
        if (before === undefined) await bucket.client.send(new CreateBucketCommand({ Bucket: id }));
        await bucket.client.send(
          new PutBucketLifecycleConfigurationCommand({
            Bucket: id,
            LifecycleConfiguration: { Rules: lifecycleRules(properties) },
          }),
        );
        return { id, attributes: { Arn: `arn:aws:s3:::${id}` } };
      } catch (error) {
        throw bucket.refusal("create bucket", error);
      } finally {
        bucket.close();
      }
    },
    async remove({ id }) {
      const bucket = await S3Bucket.open(id, process.env);
      try {
        await bucket.client.send(new DeleteBucketCommand({ Bucket: id }));
      } catch (error) {
        if (error instanceof Error && error.name === "BucketNotEmpty") {
          throw new Error("The bucket you tried to delete is not empty", { cause: error });
        }
        throw error;
      } finally {
        bucket.close();
      }
    },
  },

  "AWS::Logs::LogGroup": {
    apply({ LogGroupName }, { region }) {
      const id = String(LogGroupName);
      return { id, attributes: { Arn: `arn:aws:logs:${region}:${ACCOUNT_ID}:log-group:${id}:*` } };
    },
  },

  "AWS::IAM::Role": {
    apply(_, { stackName }, before) {
      const id = before?.id ?? `${stackName}-Role-${randomBytes(6).toString("hex")}`;
      return { id, attributes: { Arn: `arn:aws:iam::${ACCOUNT_ID}:role/${id}` } };
    },
  },

  "AWS::Lambda::Function": {
    async apply(properties, { registry, endpoint, codeFolder, region }) {
      const beyond = Object.keys(properties).filter((name) => !FUNCTION_PROPERTIES.has(name));
      if (beyond.length > 0) throw new Error(`the local service has no ${beyond.join(", ")}`);
      const id = String(properties.FunctionName);
      const { Variables = {} } = (properties.Environment ?? {}) as { Variables?: Record<string, string> };
      const reserved = properties.ReservedConcurrentExecutions;
      registry.register({
        ...registry.find(id),
        name: id,
        memoryMiB: Number(properties.MemorySize),
        timeoutS: Number(properties.Timeout),
        environment: { ...Variables, AWS_ENDPOINT_URL_LAMBDA: endpoint },
        bundlePath: await unpack(properties.Code as Code, codeFolder),
        handler: String(properties.Handler),
        ...(reserved === undefined ? {} : { reservedConcurrency: Number(reserved) }),
      });
      return { id, attributes: { Arn: `arn:aws:lambda:${region}:${ACCOUNT_ID}:function:${id}` } };
    },
    remove({ id }, { registry }) {
      registry.remove(id);
    },
  },

  "AWS::Lambda::EventInvokeConfig": {
    apply({ FunctionName, MaximumRetryAttempts, MaximumEventAgeInSeconds }, { registry }) {
      const name = String(FunctionName);
      const spec = registry.find(name);
      if (spec === undefined) throw new Error(`Function not found: ${name}`);
      registry.register({
        ...spec,
        maximumRetryAttempts: Number(MaximumRetryAttempts),
        maximumEventAgeS: Number(MaximumEventAgeInSeconds),
      });
      return { id: name, attributes: {} };
    },
  },
};

interface Code {
  readonly S3Bucket: string;
  readonly S3Key: string;
}

/** The folder of the unpacked archive, one for each content: functions that still run keep theirs. */
async function unpack({ S3Bucket: bucketName, S3Key }: Code, codeFolder: string): Promise<string> {
  const storage = await openStorage(`s3://${bucketName}`);
  const archive = await storage.get({ key: S3Key }).finally(() => storage.close());
  if (archive === undefined) throw new Error(`s3://${bucketName}/${S3Key}: The specified key does not exist`);
  const folder = resolve(codeFolder, createHash("sha256").update(archive).digest("hex"));
  for (const [name, content] of unzip(Buffer.from(archive))) {
    const path = resolve(folder, name);
    if (!path.startsWith(`${folder}/`))
      throw new Error(`${S3Key}: expected names inside of the archive, got ${name}`);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  }
  return folder;
}

interface CfnLifecycleRule {
  readonly Id: string;
  readonly Status: "Enabled" | "Disabled";
  readonly Prefix?: string;
  readonly ExpirationInDays?: number | string;
  readonly AbortIncompleteMultipartUpload?: { readonly DaysAfterInitiation: number };
}

/** CloudFormation's properties in the names of S3's API. */
function lifecycleRules({ LifecycleConfiguration }: Properties): LifecycleRule[] {
  const { Rules } = LifecycleConfiguration as { readonly Rules: readonly CfnLifecycleRule[] };
  return Rules.map(({ Id, Status, Prefix = "", ExpirationInDays, AbortIncompleteMultipartUpload }) => ({
    ...{ ID: Id, Status, Filter: { Prefix } },
    ...(ExpirationInDays === undefined ? {} : { Expiration: { Days: Number(ExpirationInDays) } }),
    ...(AbortIncompleteMultipartUpload && { AbortIncompleteMultipartUpload }),
  }));
}
