// Signature Version 4 in the Authorization header, as S3 and DynamoDB want it:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html. The SDK's middleware
// costs 0.5 ms of CPU a request more than this, which is what a round's many small requests are made of.

import { createHmac, hash } from "node:crypto";

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
  /** When they end; undefined: not in a function's life. */
  readonly expiresAtMs?: number | undefined;
}

/** What a signature is made out to. */
export interface SigningScope {
  readonly credentials: Credentials;
  readonly region: string;
  /** `s3`, `s3express`, `dynamodb`. */
  readonly service: string;
  /** The header that carries a session token. */
  readonly tokenHeader?: string;
}

export interface SignableRequest {
  readonly method: string;
  readonly host: string;
  /** Encoded, without the query. */
  readonly path: string;
  /** Encoded, sorted by name, each with its `=`. */
  readonly query: string;
  /** Lower-case names; all of them are signed. */
  readonly headers: Readonly<Record<string, string>>;
  /** Hexadecimal SHA-256 of the body, or `UNSIGNED-PAYLOAD`. */
  readonly bodySha256: string;
}

/** The request's headers, with those that sign it. */
export function signedHeaders(
  { method, host, path, query, headers, bodySha256 }: SignableRequest,
  { credentials, region, service, tokenHeader = "x-amz-security-token" }: SigningScope,
  now: Date,
): Record<string, string> {
  const time = now.toISOString().slice(0, 19).replace(/[-:]/g, "") + "Z";
  const scope = `${time.slice(0, 8)}/${region}/${service}/aws4_request`;
  const all: Record<string, string> = {
    ...headers,
    host,
    "x-amz-content-sha256": bodySha256,
    "x-amz-date": time,
  };
  if (credentials.sessionToken !== undefined) all[tokenHeader] = credentials.sessionToken;
  const names = Object.keys(all).sort();
  const signedNames = names.join(";");
  const lines = names.map((name) => `${name}:${all[name]!.trim()}\n`).join("");
  const canonical = [method, path, query, lines, signedNames, bodySha256].join("\n");
  const toSign = ["AWS4-HMAC-SHA256", time, scope, hash("sha256", canonical)].join("\n");
  const signature = createHmac("sha256", signingKey(credentials, scope)).update(toSign).digest("hex");
  all.authorization =
    `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope}, ` +
    `SignedHeaders=${signedNames}, Signature=${signature}`;
  return all;
}

/** The key of a day, kept for its credentials: four of a signature's six hashes. */
const signingKeys = new WeakMap<Credentials, { readonly scope: string; readonly key: Buffer }>();

function signingKey(credentials: Credentials, scope: string): Buffer {
  const known = signingKeys.get(credentials);
  if (known?.scope === scope) return known.key;
  let key = Buffer.from(`AWS4${credentials.secretAccessKey}`);
  for (const part of scope.split("/")) key = createHmac("sha256", key).update(part).digest();
  signingKeys.set(credentials, { scope, key });
  return key;
}

/** Everything but unreserved characters as %XX; encodeURIComponent leaves five more. */
export function encodeRfc3986(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
