// What AWS's error codes and the network's failures mean to somebody who chose a store of AWS's, or one that speaks its
// protocol: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html and
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html.

import { SltrainError } from "../../errors.ts";

/** Where a request went, for messages. */
export interface RequestPlace {
  /** `storage put runs/a/manifest.json`. */
  readonly what: string;
  /** `s3://bucket` or `dynamodb://table`. */
  readonly store: string;
  readonly endpoint: string;
  readonly region: string;
  /** The command that makes the bucket or the table. */
  readonly createCommand: string;
}

/** What a service said. */
interface ServiceError {
  readonly status: number;
  /** `NoSuchBucket`. */
  readonly code: string;
  readonly message: string;
  /** The region where S3 says that the bucket is. */
  readonly region?: string | undefined;
}

interface Explanation {
  readonly code: string;
  readonly expected: string;
  readonly suggestions?: (place: RequestPlace, error: ServiceError) => readonly string[];
  readonly retryable?: true;
}

const missing: Explanation = {
  code: "storage-missing",
  expected: "expected it to exist",
  suggestions: ({ createCommand, store }) => [
    `Create it with \`${createCommand}\`, or correct the name ${store}.`,
  ],
};
const otherTable: Explanation = {
  code: "storage-missing",
  expected: "expected a table with sltrain's key",
  suggestions: ({ createCommand }) => [`Use a table of its own: \`${createCommand}\`.`],
};
const denied: Explanation = {
  code: "storage-denied",
  expected: "expected these credentials to be allowed to do it",
  suggestions: () => [
    "Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or AWS_PROFILE; `aws sts get-caller-identity` shows who you are.",
    "Give that user or role access to the store (docs/stores.md has the policy).",
  ],
};
const expired: Explanation = {
  code: "storage-denied",
  expected: "expected credentials that are still valid",
  suggestions: () => ["Sign in again (`aws sso login`, or a new session token)."],
};
const skewed: Explanation = {
  code: "storage-clock",
  expected: "expected this machine's clock within 15 minutes of the store's",
  suggestions: () => ["Set the clock of this machine (`timedatectl set-ntp true`)."],
  // From such an answer on the SDK signs with the store's time.
  retryable: true,
};
const elsewhere: Explanation = {
  code: "storage-region",
  expected: "expected it in the region that is asked",
  suggestions: (_, { region }) => [
    region === undefined ? "Set AWS_REGION to the store's region." : `Set AWS_REGION=${region}.`,
  ],
};
const throttled: Explanation = {
  code: "storage-throttled",
  expected: "expected the store to keep up",
  suggestions: () => ["Use fewer workers or larger buckets, or try again later."],
  retryable: true,
};
const contested: Explanation = {
  code: "storage-contested",
  expected: "expected no other writer of this key at the same moment",
  retryable: true,
};
const tooLarge: Explanation = { code: "value-too-large", expected: "expected a smaller object" };
const busy: Explanation = {
  code: "storage-failed",
  expected: "expected the store to answer",
  retryable: true,
};
const failed: Explanation = { code: "storage-failed", expected: "expected the store to do it" };

const byCode: Readonly<Record<string, Explanation>> = {
  NoSuchBucket: missing,
  ResourceNotFoundException: missing,
  ValidationException: otherTable,
  AccessDenied: denied,
  AccessDeniedException: denied,
  AllAccessDisabled: denied,
  InvalidAccessKeyId: denied,
  SignatureDoesNotMatch: denied,
  InvalidSignatureException: denied,
  UnrecognizedClientException: denied,
  MissingAuthenticationTokenException: denied,
  InvalidToken: expired,
  ExpiredToken: expired,
  ExpiredTokenException: expired,
  RequestTimeTooSkewed: skewed,
  PermanentRedirect: elsewhere,
  TemporaryRedirect: elsewhere,
  AuthorizationHeaderMalformed: elsewhere,
  IllegalLocationConstraintException: elsewhere,
  SlowDown: throttled,
  ServiceUnavailable: throttled,
  ProvisionedThroughputExceededException: throttled,
  ThrottlingException: throttled,
  RequestLimitExceeded: throttled,
  ConditionalRequestConflict: contested,
  OperationAborted: contested,
  TransactionConflictException: contested,
  EntityTooLarge: tooLarge,
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

/** An error of the SDK's that tells of an answer. */
interface SdkServiceError extends Error {
  readonly $metadata: { readonly httpStatusCode: number };
  readonly $response?: { readonly headers: Readonly<Record<string, string>> };
  readonly Region?: string;
}

function isServiceError(error: unknown): error is SdkServiceError {
  const { $metadata } = error as Partial<SdkServiceError>;
  return error instanceof Error && $metadata?.httpStatusCode !== undefined;
}

/** `NoSuchKey`: what a service calls its refusal; undefined for other failures. */
export function refusalCode(error: unknown): string | undefined {
  return isServiceError(error) ? error.name : undefined;
}

/** The user's error for what a client of the SDK threw. Errors of ours, and bugs, pass unchanged. */
export function awsError(place: RequestPlace, error: unknown): unknown {
  if (error instanceof Error && error.name === "CredentialsProviderError") return noCredentials(error);
  if (!isServiceError(error)) return networkError(place, error);
  const { $metadata, $response, name: code, message } = error;
  const region = $response?.headers["x-amz-bucket-region"] ?? error.Region;
  // No cause: the SDK's error holds all that the service says of the signature that it expected.
  return serviceError(place, { status: $metadata.httpStatusCode, code, message, region });
}

/** The user's error where the SDK finds no credentials, or cannot renew them. */
export function noCredentials(cause: unknown): SltrainError {
  return new SltrainError({
    code: "storage-denied",
    message: `AWS: expected credentials in the environment, in a profile or from a role, but got ${String(cause)}`,
    suggestions: [
      "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.",
      "Or run `aws configure`.",
    ],
    cause,
  });
}

/** The user's error for what a service refused. */
export function serviceError(place: RequestPlace, error: ServiceError): SltrainError {
  const explanation = byCode[error.code] ?? byStatus[error.status] ?? (error.status >= 500 ? busy : failed);
  const got = `status ${error.status} ${error.code} ${error.message}`;
  return new SltrainError({
    code: explanation.code,
    message: `${place.what}: ${explanation.expected} at ${place.store} (${place.region}, ${place.endpoint}), but got ${got}`,
    suggestions: explanation.suggestions?.(place, error) ?? [],
    retryable: explanation.retryable ?? false,
  });
}

/** Failures that last: a wrong name, a certificate that nobody trusts. All others may pass. */
const LASTING = /^(ENOTFOUND|CERT_|ERR_TLS|ERR_SSL|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|EPROTO)/;

/** The user's error for a request that got no answer. */
function networkError(place: RequestPlace, cause: unknown): unknown {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : undefined;
  if (code === undefined) return cause;
  if (cause instanceof SltrainError && code !== "storage-unreachable") return cause;
  return new SltrainError({
    code: "storage-unreachable",
    message:
      `${place.what}: expected an answer from ${place.endpoint} for ${place.store}, ` +
      `but got ${(cause as Error).message || code}`,
    suggestions: ["Check the network, AWS_REGION and AWS_ENDPOINT_URL."],
    retryable: !LASTING.test(code),
    cause,
  });
}
