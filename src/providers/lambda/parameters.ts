// What can be set of a stack, as CloudFormation's parameters and as the flags of `sltrain deploy`: one table. A setting
// that is not given stays what it was.

export interface StackParameter {
  readonly Type: "String" | "Number" | "CommaDelimitedList";
  readonly Description: string;
  readonly Default: string | number;
  readonly AllowedValues?: readonly (string | number)[];
  readonly AllowedPattern?: string;
  readonly ConstraintDescription?: string;
  readonly MinValue?: number;
  readonly MaxValue?: number;
  readonly NoEcho?: true;
}

/** A value that "" stands for the absence of. */
function optional(pattern: string, Description: string, ConstraintDescription: string): StackParameter {
  const AllowedPattern = `^$|^${pattern}$`;
  return { Type: "String", Default: "", Description, AllowedPattern, ConstraintDescription };
}

/** https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-logs-loggroup.html */
const LOG_DAYS = [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365];

/** By name. Those that a user sets are flags of the same name: `MemoryMiB` is `--memory-mib`. */
export const settings = {
  MemoryMiB: {
    ...{ Type: "Number", Default: 1769, MinValue: 128, MaxValue: 10_240 },
    Description: "Memory of the function in MiB; 1,769 are one vCPU.",
  },
  TimeoutS: {
    ...{ Type: "Number", Default: 900, MinValue: 3, MaxValue: 900 },
    Description: "Seconds after which Lambda ends an invocation; workers hand over before.",
  },
  Architecture: {
    ...{ Type: "String", Default: "arm64", AllowedValues: ["arm64", "x86_64"] },
    Description: "Processor of the function; arm64 costs a fifth less.",
  },
  ReservedConcurrency: optional(
    "[0-9]{1,5}",
    "Concurrent executions that are kept for this function, and its most. Default: the account's.",
    "a whole number",
  ),
  LogDays: {
    ...{ Type: "Number", Default: 14, AllowedValues: LOG_DAYS },
    Description: "Days that logs are kept.",
  },
  FrameDays: {
    ...{ Type: "Number", Default: 7, MinValue: 1, MaxValue: 365 },
    Description: "Days after which gradient frames expire that a killed run has left.",
  },
  SubnetIds: {
    ...{ Type: "CommaDelimitedList", Default: "" },
    Description: "Subnets of a VPC to run in; they need ways to S3 and Lambda. Default: no VPC.",
  },
  SecurityGroupIds: {
    ...{ Type: "CommaDelimitedList", Default: "" },
    Description: "Security groups of the function in its VPC.",
  },
  AccessPointArn: optional(
    "arn:aws[a-z-]*:elasticfilesystem:.+:access-point/fsap-[0-9a-f]+",
    "EFS access point, mounted at /mnt/sltrain: --channel fs:/mnt/sltrain. Needs a VPC.",
    "the ARN of an EFS access point",
  ),
  ExpressZone: optional(
    "[a-z]{3,4}[0-9]-az[0-9]+",
    "Zone of an S3 Express bucket for frames (use1-az4). Default: none.",
    "the id of an availability zone such as use1-az4",
  ),
  TableName: optional(
    "[A-Za-z0-9_.-]{3,255}",
    "DynamoDB table of yours that the function may use.",
    "the name of a DynamoDB table",
  ),
} as const satisfies Readonly<Record<string, StackParameter>>;

/** Taken from the environment of whoever deploys: workers find them in theirs. CloudFormation shows none of them. */
export const secrets = {
  RedisUsername: secret("REDIS_USERNAME, for a channel or storage redis://."),
  RedisPassword: secret("REDIS_PASSWORD, for a channel or storage redis://."),
  PsToken: secret("SLTRAIN_PS_TOKEN, for a channel ps://."),
} as const satisfies Readonly<Record<string, StackParameter>>;

/** The variable that a secret comes from and goes to. */
export const secretVariables: Readonly<Record<keyof typeof secrets, string>> = {
  RedisUsername: "REDIS_USERNAME",
  RedisPassword: "REDIS_PASSWORD",
  PsToken: "SLTRAIN_PS_TOKEN",
};

/** Which code runs: there is none before the stack has made the bucket that holds it. */
export const code = {
  CodeKey: optional(
    "functions/[0-9a-f]{64}\\.zip",
    "Key of the function's archive in the stack's bucket; empty for the first creation.",
    "functions/<sha256>.zip",
  ),
} as const;

export type StackSetting = keyof typeof settings;
export type ParameterName = StackSetting | keyof typeof secrets | keyof typeof code;

function secret(what: string): StackParameter {
  return { Type: "String", Default: "", NoEcho: true, Description: `Value of ${what}` };
}

/** `MemoryMiB` -> `memory-mib`. */
export function settingFlag(name: StackSetting): string {
  return name
    .replace("MiB", "Mib")
    .replace(/(?<=[a-z])[A-Z]/g, "-$&")
    .toLowerCase();
}
