// One bucket: where it is, how requests to it are signed, and what its refusals mean. Buckets of S3 Express One Zone
// (`NAME--ZONE--x-s3`) have an endpoint per zone and sessions of their own:
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-express-create-session.html.

import { SltrainError } from "../../errors.ts";
import { awsAccount, type AwsAccount } from "./account.ts";
import { networkError, serviceError, type RequestPlace } from "./aws-error.ts";
import { awsHost, customEndpoint } from "./endpoint.ts";
import { HttpClient, type HttpRequest, type HttpResponse } from "./http-client.ts";
import { encodeRfc3986, signedHeaders, type Credentials, type SigningScope } from "./sigv4.ts";
import { xmlText } from "./xml.ts";

export interface S3Request extends Pick<HttpRequest, "body" | "destination"> {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  /** What is done, for messages: `put runs/a/manifest.json`. */
  readonly what: string;
  /** Absent: the bucket itself. */
  readonly key?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Statuses beside 2xx that the caller understands. All others throw. */
  readonly expected?: readonly number[];
}

/** Sessions last 5 minutes. */
const SESSION_MARGIN_MS = 60_000;
/** TLS and the network guard a body on its way, and frames carry checksums: hashing it all would cost 1 ms a MB. */
const UNSIGNED = "UNSIGNED-PAYLOAD";

export class S3Bucket {
  readonly name: string;
  /** S3 Express One Zone: lists without order, by whole folders. */
  readonly isDirectory: boolean;
  readonly #account: AwsAccount;
  readonly #endpoint: URL;
  readonly #client: HttpClient;
  /** Of a directory bucket. */
  #session: Promise<Credentials> | undefined;
  #sessionEndsMs = 0;

  private constructor(name: string, account: AwsAccount, endpoint: URL) {
    this.name = name;
    this.isDirectory = zoneOf(name) !== undefined;
    this.#account = account;
    this.#endpoint = endpoint;
    this.#client = new HttpClient(endpoint);
  }

  /** Sends nothing. Throws "storage-region" or "storage-denied". */
  static async open(name: string, env: NodeJS.ProcessEnv): Promise<S3Bucket> {
    const account = await awsAccount(env);
    const custom = customEndpoint("s3", env);
    const endpoint = custom ? underPath(custom, name) : awsEndpoint(name, account.region);
    return new S3Bucket(name, account, endpoint);
  }

  /** Throws SltrainError for every status that is neither 2xx nor expected, and where no answer came. */
  async send(request: S3Request): Promise<HttpResponse> {
    return this.#sendSigned(request, await this.#scope());
  }

  close(): void {
    this.#client.close();
  }

  async #scope(): Promise<SigningScope> {
    const { region } = this.#account;
    if (!this.isDirectory) return { credentials: await this.#account.credentials(), region, service: "s3" };
    if (Date.now() > this.#sessionEndsMs - SESSION_MARGIN_MS) {
      this.#sessionEndsMs = Infinity; // all requests wait for this one
      this.#session = this.#createSession();
    }
    const credentials = await this.#session!;
    return { credentials, region, service: "s3express", tokenHeader: "x-amz-s3session-token" };
  }

  async #createSession(): Promise<Credentials> {
    try {
      const credentials = await this.#account.credentials();
      const scope = { credentials, region: this.#account.region, service: "s3express" };
      const { body } = await this.#sendSigned(
        { method: "GET", what: "open a session", query: { session: "" } },
        scope,
      );
      const xml = Buffer.from(body).toString();
      const [accessKeyId, secretAccessKey, sessionToken, expiration] = [
        xmlText(xml, "AccessKeyId"),
        xmlText(xml, "SecretAccessKey"),
        xmlText(xml, "SessionToken"),
        xmlText(xml, "Expiration"),
      ];
      if (!accessKeyId || !secretAccessKey || !sessionToken || !expiration) {
        throw new SltrainError({
          code: "storage-failed",
          message: `open a session: expected credentials from s3://${this.name}, got an answer without them`,
        });
      }
      this.#sessionEndsMs = Date.parse(expiration);
      return { accessKeyId, secretAccessKey, sessionToken };
    } catch (error) {
      this.#sessionEndsMs = 0;
      throw error;
    }
  }

  async #sendSigned(request: S3Request, scope: SigningScope): Promise<HttpResponse> {
    const { method, key, query = {}, headers = {}, body, destination, expected = [] } = request;
    const base = this.#endpoint.pathname.replace(/\/$/, "");
    const path = key === undefined ? base || "/" : `${base}/${key.split("/").map(encodeRfc3986).join("/")}`;
    const search = Object.keys(query)
      .sort()
      .map((name) => `${encodeRfc3986(name)}=${encodeRfc3986(query[name]!)}`)
      .join("&");
    const { host } = this.#endpoint;
    const signed = signedHeaders(
      { method, host, path, query: search, headers, bodySha256: UNSIGNED },
      scope,
      new Date(),
    );
    let response: HttpResponse;
    try {
      response = await this.#client.send({
        ...{ method, path: search === "" ? path : `${path}?${search}`, headers: signed },
        ...(body && { body }),
        ...(destination && { destination }),
      });
    } catch (error) {
      throw networkError(this.#place(request), error);
    }
    const { status } = response;
    if ((status < 200 || status >= 300) && !expected.includes(status)) throw this.refusal(request, response);
    return response;
  }

  /** The user's error for an answer. */
  refusal({ what }: Pick<S3Request, "what">, { status, headers, body }: HttpResponse): SltrainError {
    const xml = Buffer.from(body).toString();
    const region = headers["x-amz-bucket-region"] ?? xmlText(xml, "Region");
    const error = { status, code: xmlText(xml, "Code") ?? "", message: xmlText(xml, "Message") ?? "" };
    return serviceError(this.#place({ what }), {
      ...error,
      region: typeof region === "string" ? region : undefined,
    });
  }

  #place({ what }: Pick<S3Request, "what">): RequestPlace {
    const { region } = this.#account;
    return {
      ...{ what: `storage ${what}`, store: `s3://${this.name}`, endpoint: this.#endpoint.origin, region },
      createCommand: `aws s3 mb s3://${this.name} --region ${region}`,
    };
  }
}

/** `use1-az4` of `name--use1-az4--x-s3`; undefined for other buckets. */
export function zoneOf(bucket: string): string | undefined {
  return /--([a-z0-9-]+)--x-s3$/.exec(bucket)?.[1];
}

/** Servers of others rarely have a name for each bucket. */
function underPath({ origin, pathname }: URL, bucket: string): URL {
  return new URL(`${origin}${pathname.replace(/\/$/, "")}/${bucket}`);
}

function awsEndpoint(bucket: string, region: string): URL {
  const zone = zoneOf(bucket);
  if (zone !== undefined) return new URL(`https://${bucket}.${awsHost(`s3express-${zone}`, region)}`);
  // A certificate for *.s3.REGION covers no name with dots.
  if (bucket.includes(".")) return new URL(`https://${awsHost("s3", region)}/${bucket}`);
  return new URL(`https://${bucket}.${awsHost("s3", region)}`);
}
