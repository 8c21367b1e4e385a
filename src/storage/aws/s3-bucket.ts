// One bucket: the client that talks to it, and what its refusals mean.

import { S3Client, type _Error as S3Error } from "@aws-sdk/client-s3";
import type { SltrainError } from "../../errors.ts";
import { awsClientSettings, customEndpoint, settledRegion, trim } from "./account.ts";
import { awsError, serviceError } from "./aws-error.ts";
import type { RequestPlace } from "./explanations.ts";

export class S3Bucket {
  readonly name: string;
  /** S3 Express One Zone (`NAME--ZONE--x-s3`): lists without order, by whole folders. */
  readonly isDirectory: boolean;
  readonly client: S3Client;
  readonly #place: Omit<RequestPlace, "what">;

  private constructor(name: string, client: S3Client, region: string, endpoint: URL | undefined) {
    this.name = name;
    this.isDirectory = name.endsWith("--x-s3");
    this.client = client;
    this.#place = {
      ...{ part: "storage", resource: `s3://${name}`, endpoint: endpoint?.origin ?? "AWS", region },
      createCommand: `aws s3 mb s3://${name} --region ${region}`,
    };
  }

  /** Sends nothing. Throws "aws-region", "aws-credentials", or "aws-endpoint" for a bad AWS_ENDPOINT_URL. */
  static async open(name: string, env: NodeJS.ProcessEnv): Promise<S3Bucket> {
    const endpoint = customEndpoint("s3", env);
    const client = new S3Client({
      ...awsClientSettings(endpoint, env),
      // Servers of others rarely have a name for each bucket.
      forcePathStyle: endpoint !== undefined,
      // Frames and checkpoints carry checksums of their own.
      requestChecksumCalculation: "WHEN_REQUIRED",
      responseChecksumValidation: "WHEN_REQUIRED",
    });
    trim(client);
    return new S3Bucket(name, client, await settledRegion(client.config), endpoint);
  }

  /** The user's error for what `client` threw while it was to do `what`: `put runs/a/manifest.json`. */
  refusal(what: string, error: unknown): unknown {
    return awsError({ what: `storage ${what}`, ...this.#place }, error);
  }

  /** The user's error for one object of several. */
  partialRefusal(what: string, { Code = "", Message = "" }: S3Error): SltrainError {
    return serviceError(
      { what: `storage ${what}`, ...this.#place },
      { status: 200, code: Code, message: Message },
    );
  }

  close(): void {
    this.client.destroy();
  }
}
