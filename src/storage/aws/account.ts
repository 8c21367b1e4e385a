// Whose requests they are, and in which region. A function finds both in its environment; for anybody else (a profile,
// single sign-on, a container's or a machine's role) the SDK's own chain is asked, and loaded only then.

import { SltrainError } from "../../errors.ts";
import type { Credentials } from "./sigv4.ts";

export interface AwsAccount {
  readonly region: string;
  /** Current ones; throws "storage-denied" where there are none. */
  credentials(): Promise<Credentials>;
}

/** Credentials are renewed when they end within this time. */
const RENEWAL_MS = 5 * 60_000;

/** Throws "storage-region" or "storage-denied". */
export async function awsAccount(env: NodeJS.ProcessEnv): Promise<AwsAccount> {
  const region = env.AWS_REGION || env.AWS_DEFAULT_REGION || (await profileRegion());
  let current = environmentCredentials(env) ?? (await currentCredentials());
  return {
    region,
    async credentials() {
      if (current.expiresAtMs !== undefined && current.expiresAtMs - Date.now() < RENEWAL_MS) {
        current = await currentCredentials();
      }
      return current;
    },
  };
}

function environmentCredentials(env: NodeJS.ProcessEnv): Credentials | undefined {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = env;
  if (!accessKeyId || !secretAccessKey) return undefined;
  return { accessKeyId, secretAccessKey, sessionToken: env.AWS_SESSION_TOKEN };
}

async function profileRegion(): Promise<string> {
  try {
    return await (await import("./sdk-chain.ts")).chainRegion();
  } catch (cause) {
    throw new SltrainError({
      code: "storage-region",
      message: `AWS: expected a region in AWS_REGION or in the profile, but got ${String(cause)}`,
      suggestions: ["Set AWS_REGION, for example AWS_REGION=us-east-1.", "Or run `aws configure`."],
      cause,
    });
  }
}

async function currentCredentials(): Promise<Credentials> {
  try {
    return await (await import("./sdk-chain.ts")).chainCredentials();
  } catch (cause) {
    throw new SltrainError({
      code: "storage-denied",
      message: `AWS: expected credentials in the environment, in a profile or from a role, but got ${String(cause)}`,
      suggestions: [
        "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.",
        "Or run `aws configure`.",
      ],
      cause,
    });
  }
}
