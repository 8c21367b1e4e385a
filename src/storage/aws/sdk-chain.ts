// The SDK's search for credentials and region: profiles, single sign-on, roles of containers and machines. It is 0.5 MB
// of the bundle and takes 90 ms to load, so that account.ts imports it only where the environment has none.

import { S3Client } from "@aws-sdk/client-s3";
import type { Credentials } from "./sigv4.ts";

/** Throws the SDK's error if no profile names one. */
export async function chainRegion(): Promise<string> {
  return new S3Client({}).config.region();
}

/** Throws the SDK's error if there are none. */
export async function chainCredentials(): Promise<Credentials> {
  const found = await new S3Client({ region: "us-east-1" }).config.credentials();
  const { accessKeyId, secretAccessKey, sessionToken, expiration } = found;
  return { accessKeyId, secretAccessKey, sessionToken, expiresAtMs: expiration?.getTime() };
}
