// From what the SDK throws to the user's error: a refusal of one of AWS's services, an answer that is none of theirs, no
// answer, no credentials.

import { SltrainError } from "../../errors.ts";
import {
  type Explanation,
  explanationOf,
  foreign,
  PARTS,
  type RequestPlace,
  type ServiceError,
} from "./explanations.ts";

/** An error of the SDK's that tells of an answer. */
interface SdkServiceError extends Error {
  readonly $metadata: { readonly httpStatusCode: number };
  readonly $response?: { readonly headers: Readonly<Record<string, string>> };
  readonly Region?: string;
  /** Absent where the answer could not be read as the service's. */
  readonly $fault?: "client" | "server";
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
  const { $metadata, $response, $fault, name: code, message } = error;
  const status = $metadata.httpStatusCode;
  // A refusal of S3's to a HEAD has no code either: no body.
  const isUnnamed = code === "Unknown" && status < 500 && place.part !== "storage";
  if ($fault === undefined || isUnnamed) return foreignAnswer(place, `status ${status}`);
  const region = $response?.headers["x-amz-bucket-region"] ?? error.Region;
  // No cause: the SDK's error holds all that the service says of the signature that it expected.
  return serviceError(place, { status, code, message, region });
}

/** The user's error where the SDK finds no credentials, or cannot renew them. */
export function noCredentials(cause: unknown): SltrainError {
  return new SltrainError({
    code: "aws-credentials",
    message: `AWS: expected credentials in the environment, in a profile or from a role, but got ${String(cause)}`,
    suggestions: [
      "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.",
      "Or run `aws configure`, or `aws sso login`.",
    ],
    cause,
  });
}

/** The user's error for what a service refused. */
export function serviceError(place: RequestPlace, error: ServiceError): SltrainError {
  return explained(
    place,
    explanationOf(error),
    error,
    `status ${error.status} ${error.code} ${error.message}`,
  );
}

/** The user's error for an answer that the service never gives: `got` says what came. */
export function foreignAnswer(place: RequestPlace, got: string): SltrainError {
  return explained(place, foreign, { status: 0, code: "", message: "" }, got);
}

function explained(place: RequestPlace, explanation: Explanation, error: ServiceError, got: string) {
  const { part, what, resource, region, endpoint } = place;
  const { trouble, expected, suggestions, retryable = false } = explanation;
  return new SltrainError({
    code: PARTS[part].codes[trouble] ?? `${part}-${trouble}`,
    message: `${what}: ${expected} at ${resource} (${region}, ${endpoint}), but got ${got}`,
    suggestions: suggestions?.(place, error) ?? [],
    retryable,
  });
}

/** Failures that last: a wrong name, a certificate that nobody trusts. All others may pass. */
const LASTING = /^(ENOTFOUND|CERT_|ERR_TLS|ERR_SSL|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|EPROTO)/;

/** The user's error for a request that got no answer. */
function networkError({ part, what, resource, endpoint }: RequestPlace, cause: unknown): unknown {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : undefined;
  if (code === undefined) return cause;
  if (cause instanceof SltrainError && code !== "storage-unreachable") return cause;
  return new SltrainError({
    code: `${part}-unreachable`,
    message: `${what}: expected an answer from ${endpoint} for ${resource}, but got ${(cause as Error).message || code}`,
    suggestions: [`Check the network, AWS_REGION and ${PARTS[part].endpoint}.`],
    retryable: !LASTING.test(code),
    cause,
  });
}
