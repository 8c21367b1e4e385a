// What the error codes of AWS's services mean to their user, and what to do: data.
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html,
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html and
// https://docs.aws.amazon.com/lambda/latest/api/CommonErrors.html.

/** What of AWS's was asked: the errors' codes begin with it, `storage-denied`, and its remedies are its own. */
export type AwsPart = "storage" | "functions" | "stack" | "account";

/** Where a request went, for messages. */
export interface RequestPlace {
  readonly part: AwsPart;
  /** `storage put runs/a/manifest.json`. */
  readonly what: string;
  /** `s3://bucket`, `dynamodb://table` or `lambda:function`. */
  readonly resource: string;
  readonly endpoint: string;
  readonly region: string;
  /** The command that makes the resource, where one can be made. */
  readonly createCommand?: string;
}

/** What a service said. */
export interface ServiceError {
  readonly status: number;
  /** `NoSuchBucket`. */
  readonly code: string;
  readonly message: string;
  /** The region where S3 says that the bucket is. */
  readonly region?: string | undefined;
}

type Trouble =
  "missing" | "denied" | "clock" | "region" | "throttled" | "contested" | "too-large" | "foreign" | "failed";

export interface Explanation {
  readonly trouble: Trouble;
  readonly expected: string;
  readonly suggestions?: (place: RequestPlace, error: ServiceError) => readonly string[];
  readonly retryable?: true;
}

/** What differs from part to part; a code that is not here is part and trouble: `storage-missing`. */
export const PARTS: Readonly<Record<AwsPart, PartWords>> = {
  storage: {
    codes: { "too-large": "value-too-large" },
    access: "Give that user or role access to the store (docs/stores.md has the policy).",
    throttled: "Use fewer workers or larger buckets, or try again later.",
    endpoint: "AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL",
  },
  functions: {
    codes: { missing: "function-missing", "too-large": "event-too-large" },
    access: "Give that user or role lambda:InvokeFunction (docs/lambda.md has the policy).",
    throttled:
      "Use fewer --workers, or ask AWS for more concurrent executions: `sltrain doctor --provider lambda` shows the limit.",
    endpoint: "--endpoint-url, AWS_ENDPOINT_URL_LAMBDA or AWS_ENDPOINT_URL",
  },
  stack: {
    codes: {},
    access: "Give that user or role the rights to deploy (docs/lambda.md has the policy).",
    throttled: "Try again in a minute.",
    endpoint: "--endpoint-url, AWS_ENDPOINT_URL_CLOUDFORMATION or AWS_ENDPOINT_URL",
  },
  account: {
    codes: {},
    access: "Ask whoever administers the account.",
    throttled: "Try again in a minute.",
    endpoint: "AWS_ENDPOINT_URL",
  },
};

interface PartWords {
  readonly codes: { readonly [trouble in Trouble]?: string };
  readonly access: string;
  readonly throttled: string;
  /** Settings that say where the service is. */
  readonly endpoint: string;
}

const missing: Explanation = {
  trouble: "missing",
  expected: "expected it to exist",
  suggestions: ({ createCommand, resource }) =>
    createCommand === undefined
      ? []
      : [`Create it with \`${createCommand}\`, or correct the name ${resource}.`],
};
const otherTable: Explanation = {
  trouble: "missing",
  expected: "expected a table with sltrain's key",
  suggestions: ({ createCommand }) => [`Use a table of its own: \`${createCommand}\`.`],
};
const denied: Explanation = {
  trouble: "denied",
  expected: "expected these credentials to be allowed to do it",
  suggestions: ({ part, resource }) => [
    "Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or AWS_PROFILE; `aws sts get-caller-identity` shows who you are.",
    PARTS[part].access,
    ...(resource.startsWith("s3:")
      ? [
          "Or choose another name: those of buckets are the whole world's, and this one may be somebody else's.",
        ]
      : []),
  ],
};
const expired: Explanation = {
  trouble: "denied",
  expected: "expected credentials that are still valid",
  suggestions: () => ["Sign in again (`aws sso login`, or a new session token)."],
};
const skewed: Explanation = {
  trouble: "clock",
  expected: "expected this machine's clock within 15 minutes of the service's",
  suggestions: () => ["Set the clock of this machine (`timedatectl set-ntp true`)."],
  // From such an answer on the SDK signs with the service's time.
  retryable: true,
};
const elsewhere: Explanation = {
  trouble: "region",
  expected: "expected it in the region that is asked",
  suggestions: (_, { region }) => [
    region === undefined ? "Set AWS_REGION to its region." : `Set AWS_REGION=${region}.`,
  ],
};
const throttled: Explanation = {
  trouble: "throttled",
  expected: "expected the service to keep up",
  suggestions: ({ part }) => [PARTS[part].throttled],
  retryable: true,
};
const contested: Explanation = {
  trouble: "contested",
  expected: "expected nobody else to change it at the same moment",
  retryable: true,
};
const tooLarge: Explanation = { trouble: "too-large", expected: "expected less to be sent" };
const busy: Explanation = {
  trouble: "failed",
  expected: "expected the service to answer",
  retryable: true,
};
const failed: Explanation = { trouble: "failed", expected: "expected the service to do it" };
/** Not an answer of the service that was meant. */
export const foreign: Explanation = {
  trouble: "foreign",
  expected: "expected an answer of AWS's service, or of one that speaks its protocol",
  suggestions: ({ part, endpoint }) => [
    endpoint === "AWS"
      ? "Is there a proxy between this machine and AWS?"
      : `Something else listens at ${endpoint}: correct ${PARTS[part].endpoint}.`,
  ],
};

const byCode: Readonly<Record<string, Explanation>> = {
  NoSuchBucket: missing,
  ResourceNotFoundException: missing,
  ValidationException: otherTable,
  AccessDenied: denied,
  AccessDeniedException: denied,
  AllAccessDisabled: denied,
  InvalidAccessKeyId: denied,
  InvalidClientTokenId: denied,
  SignatureDoesNotMatch: denied,
  InvalidSignatureException: denied,
  UnrecognizedClientException: denied,
  MissingAuthenticationTokenException: denied,
  OptInRequired: denied,
  InvalidToken: expired,
  ExpiredToken: expired,
  ExpiredTokenException: expired,
  RequestExpired: expired,
  RequestTimeTooSkewed: skewed,
  PermanentRedirect: elsewhere,
  TemporaryRedirect: elsewhere,
  AuthorizationHeaderMalformed: elsewhere,
  IllegalLocationConstraintException: elsewhere,
  SlowDown: throttled,
  ServiceUnavailable: throttled,
  ProvisionedThroughputExceededException: throttled,
  Throttling: throttled,
  ThrottlingException: throttled,
  RequestLimitExceeded: throttled,
  TooManyRequestsException: throttled,
  EC2ThrottledException: throttled,
  ConditionalRequestConflict: contested,
  OperationAborted: contested,
  TransactionConflictException: contested,
  ResourceConflictException: contested,
  ResourceNotReadyException: busy,
  EntityTooLarge: tooLarge,
  RequestTooLargeException: tooLarge,
  RequestTimeout: busy,
};

const byStatus: Readonly<Record<number, Explanation>> = {
  301: elsewhere,
  307: elsewhere,
  401: denied,
  403: denied,
  409: contested,
  413: tooLarge,
  429: throttled,
  503: throttled,
};

/** What a service means by its refusal. */
export function explanationOf({ code, status }: Pick<ServiceError, "code" | "status">): Explanation {
  return byCode[code] ?? byStatus[status] ?? (status >= 500 ? busy : failed);
}
