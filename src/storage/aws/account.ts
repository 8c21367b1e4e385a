// What the SDK's clients are made with: our transport, one try for each request (retrying is a layer of ours), and whose
// requests they are, where. A function finds that in its environment; for anybody else (a profile, single sign-on, a
// container's or a machine's role) the SDK looks: https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html

import type { S3ClientConfig } from "@aws-sdk/client-s3";
import { SltrainError } from "../../errors.ts";
import { noCredentials } from "./aws-error.ts";
import { Transport } from "./transport.ts";

export type AwsClientSettings = Pick<
  S3ClientConfig,
  "requestHandler" | "maxAttempts" | "region" | "credentials" | "endpoint"
>;

export function awsClientSettings(endpoint: URL | undefined, env: NodeJS.ProcessEnv): AwsClientSettings {
  const region = env.AWS_REGION || env.AWS_DEFAULT_REGION;
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = env;
  const sessionToken = env.AWS_SESSION_TOKEN;
  return {
    requestHandler: new Transport(),
    maxAttempts: 1,
    ...(region && { region }),
    ...(accessKeyId &&
      secretAccessKey && {
        credentials: { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) },
      }),
    ...(endpoint && { endpoint: endpoint.href }),
  };
}

/**
 * What the SDK does for a request beside making, signing and reading it, and nobody here needs: a fifth of its time.
 * `Expect: 100-continue` would cost a put a round trip more.
 */
const NOT_NEEDED = [
  "addExpectContinueMiddleware",
  "getUserAgentMiddleware",
  "loggerMiddleware",
  "recursionDetectionMiddleware",
  "regionRedirectMiddleware",
];

export function trim(client: { readonly middlewareStack: { remove(name: string): boolean } }): void {
  for (const name of NOT_NEEDED) client.middlewareStack.remove(name);
}

/** As the SDK spells them in AWS_ENDPOINT_URL_*, in capitals. */
export type ServiceName = "s3" | "dynamodb" | "lambda" | "cloudformation" | "cloudwatch_logs" | "sts" | "iam";

/** Where the user says that `service` is, if not at AWS. Throws "aws-endpoint" for what is no address. */
export function customEndpoint(service: ServiceName, env: NodeJS.ProcessEnv): URL | undefined {
  const own = `AWS_ENDPOINT_URL_${service.toUpperCase()}`;
  const name = env[own] ? own : "AWS_ENDPOINT_URL";
  const text = env[name];
  if (!text) return undefined;
  const url = URL.parse(text);
  if (url !== null && /^https?:$/.test(url.protocol)) return url;
  throw new SltrainError({
    code: "aws-endpoint",
    message: `${name}: expected an address such as http://127.0.0.1:9000, but got ${JSON.stringify(text)}`,
  });
}

/** What a client has found of its user's account. */
interface ClientAccount {
  readonly region: () => Promise<string>;
  readonly credentials: () => Promise<unknown>;
}

/** The client's region, once it has that and credentials. Throws "aws-region" or "aws-credentials". */
export async function settledRegion({ region, credentials }: ClientAccount): Promise<string> {
  const found = await region().catch((cause: unknown) => {
    throw new SltrainError({
      code: "aws-region",
      message: `AWS: expected a region in AWS_REGION or in the profile, but got ${String(cause)}`,
      suggestions: ["Set AWS_REGION, for example AWS_REGION=us-east-1.", "Or run `aws configure`."],
      cause,
    });
  });
  await credentials().catch((cause: unknown) => {
    throw noCredentials(cause);
  });
  return found;
}
