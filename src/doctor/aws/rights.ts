// What whoever deploys and trains must be allowed to do, by resource, as docs/lambda.md lists it: policies name resources,
// so a right on "*" would be denied to those who have it where they need it.

export interface Place {
  /** `aws`, `aws-cn`, `aws-us-gov`. */
  readonly partition: string;
  readonly region: string;
  readonly account: string;
  readonly stack: string;
}

export interface NeededRights {
  readonly use: "train" | "deploy";
  /** ARN. */
  readonly resource: (place: Place) => string;
  readonly actions: readonly string[];
}

const ofService =
  (service: string, name: (stack: string) => string) =>
  ({ partition, region, account, stack }: Place): string =>
    `arn:${partition}:${service}:${region}:${account}:${name(stack)}`;
const stackItself = ofService("cloudformation", (stack) => `stack/${stack}/*`);
const ownFunction = ofService("lambda", (stack) => `function:${stack}`);
const logGroup = ofService("logs", (stack) => `log-group:/aws/lambda/${stack}`);
/** CloudFormation ends the names that it makes with characters of its own. */
const role = ({ partition, account, stack }: Place): string =>
  `arn:${partition}:iam::${account}:role/${stack}-Role`;
const bucket = ({ partition, stack }: Place): string => `arn:${partition}:s3:::${stack}-bucket`;

export const neededRights: readonly NeededRights[] = [
  { use: "train", resource: stackItself, actions: ["cloudformation:DescribeStacks"] },
  { use: "train", resource: ownFunction, actions: ["lambda:InvokeFunction"] },
  { use: "train", resource: logGroup, actions: ["logs:FilterLogEvents"] },
  { use: "train", resource: bucket, actions: ["s3:ListBucket"] },
  {
    use: "train",
    resource: (place) => `${bucket(place)}/object`,
    actions: ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
  },
  {
    use: "deploy",
    resource: stackItself,
    actions: ["CreateStack", "UpdateStack", "DeleteStack", "DescribeStackEvents"].map(
      (name) => `cloudformation:${name}`,
    ),
  },
  {
    use: "deploy",
    resource: ownFunction,
    actions: ["CreateFunction", "UpdateFunctionCode", "UpdateFunctionConfiguration", "DeleteFunction"].map(
      (name) => `lambda:${name}`,
    ),
  },
  {
    use: "deploy",
    resource: role,
    actions: ["CreateRole", "PutRolePolicy", "PassRole", "DeleteRole"].map((name) => `iam:${name}`),
  },
  {
    use: "deploy",
    resource: bucket,
    actions: ["s3:CreateBucket", "s3:PutLifecycleConfiguration", "s3:DeleteBucket"],
  },
  {
    use: "deploy",
    resource: logGroup,
    actions: ["logs:CreateLogGroup", "logs:PutRetentionPolicy", "logs:DeleteLogGroup"],
  },
];
