// Region, credentials and account of whoever would train on Lambda.

import { noCredentials } from "../../storage/aws/aws-error.ts";
import { formatDuration } from "../../units.ts";
import type { Finding, Subject } from "../check.ts";
import type { Credentials } from "./aws-account.ts";

/** Throws "aws-region". */
export async function checkRegion({ aws }: Subject): Promise<Finding> {
  return { outcome: "ok", found: await aws.region() };
}

/** Credentials that end sooner end most runs. */
const SOON_MS = 3_600_000;

/** Throws "aws-credentials". */
export async function checkCredentials({ aws, env }: Subject): Promise<Finding> {
  const { credentials } = await aws.settled();
  const found = await credentials().catch((cause: unknown) => {
    throw noCredentials(cause);
  });
  const source = `from ${sourceOf(found, env)}`;
  if (found.expiration === undefined) return { outcome: "ok", found: source };
  const leftMs = found.expiration.getTime() - Date.now();
  const remedies = ["Sign in again (`aws sso login`, or a new session token)."];
  if (leftMs <= 0) return { outcome: "failing", found: `${source}, expired`, remedies };
  const expiring = `${source}, valid for ${formatDuration(leftMs)}`;
  return leftMs > SOON_MS
    ? { outcome: "ok", found: expiring }
    : {
        outcome: "warning",
        found: `${expiring}: functions have a role of their own, watching ends`,
        remedies,
      };
}

/** By the beginning of what the SDK notes, the more special first. */
const SOURCES: readonly (readonly [note: RegExp, words: string])[] = [
  [/SSO/, "single sign-on"],
  [/LOGIN/, "`aws login`"],
  [/PROCESS/, "a credential process"],
  [/ASSUME_ROLE|WEB_ID/, "an assumed role"],
  [/HTTP/, "the container's role"],
  [/IMDS/, "the machine's role"],
  [/ENV_VARS/, "AWS_ACCESS_KEY_ID"],
];

function sourceOf({ $source = {} }: Credentials, env: NodeJS.ProcessEnv): string {
  const notes = Object.keys($source).join(" ");
  const [, words] = SOURCES.find(([note]) => note.test(notes)) ?? [];
  if (notes.includes("PROFILE")) {
    const profile = `the profile ${env["AWS_PROFILE"] || "default"}`;
    return words === undefined ? profile : `${profile} by ${words}`;
  }
  return words ?? "AWS_ACCESS_KEY_ID";
}

/** A server of one's own has no accounts. */
export async function checkAccount({ aws }: Subject): Promise<Finding> {
  const stand = standIn(aws);
  if (stand !== undefined) return { outcome: "info", found: `none at ${stand}` };
  const { account, arn } = await aws.caller();
  return { outcome: "ok", found: `${account}, as ${arn.replace(/^arn:[^:]*:[^:]*::\d+:/, "")}` };
}

/** Where Lambda is asked, if that is not AWS and nobody says who there knows accounts. */
function standIn(aws: Subject["aws"]): string | undefined {
  return aws.endpoint("sts") === undefined ? aws.endpoint("lambda")?.origin : undefined;
}
