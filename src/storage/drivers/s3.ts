// s3://BUCKET[/PREFIX], also S3 Express One Zone, and servers that speak S3's protocol (AWS_ENDPOINT_URL), by the SDK
// over a transport of ours: https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html

import {
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import { SltrainError } from "../../errors.ts";
import { refusalCode } from "../aws/aws-error.ts";
import { S3Bucket } from "../aws/s3-bucket.ts";
import { MAX_MULTIPART_BYTES, putMultipart } from "../aws/s3-multipart.ts";
import { bodyOf, type TransportOptions } from "../aws/transport.ts";
import { checkFolder, checkKey, keyPrefix } from "../keys.ts";
import { bytesWithin } from "../parts.ts";
import { REQUEST_PRICES } from "../prices.ts";
import { destination, resolveRange } from "../read.ts";
import type { GetRef, PutOptions, PutOutcome, Storage } from "../storage.ts";
import { withoutCredentials } from "../uri.ts";
import { pollUntilPresent } from "../wait.ts";

/** What one DeleteObjects takes. */
const BATCH_KEYS = 1000;
/** From here on parts side by side are faster; they cost two requests more. */
const MULTIPART_FROM_BYTES = 64 * 1024 * 1024;
const MAX_SINGLE_PUT_BYTES = 5 * 1024 ** 3;
/** Three to 63 characters, no slash: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html */
const LOCATION = /^\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/;

/** Throws "storage-unknown" for a location of another form, "aws-region" and "aws-credentials". Sends nothing. */
export async function open(location: string): Promise<Storage> {
  const [bucketName, prefix] = parseLocation(location);
  const bucket = await S3Bucket.open(bucketName, process.env);

  const { client, name: Bucket } = bucket;

  const target = (key: string): { Bucket: string; Key: string } => {
    checkKey(key);
    return { Bucket, Key: prefix + key };
  };

  /** What an answer gives. Throws the user's error for a refusal. */
  async function ask<T>(what: string, answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      throw bucket.refusal(what, error);
    }
  }

  /** For what no HTTP range can say: no bytes, or bytes that cannot be. */
  async function getNoBytes(ref: GetRef): Promise<Uint8Array | undefined> {
    try {
      const { ContentLength } = await client.send(new HeadObjectCommand(target(ref.key)));
      resolveRange(ref, Number(ContentLength));
      return new Uint8Array(0);
    } catch (error) {
      if (isAbsence(error)) return undefined;
      throw bucket.refusal(`get ${ref.key}`, error);
    }
  }

  async function deleteBatch(keys: readonly string[]): Promise<void> {
    const what = `delete ${keys.length} keys such as ${keys[0]}`;
    const Objects = keys.map((key) => ({ Key: prefix + key }));
    const command = new DeleteObjectsCommand({ Bucket, Delete: { Quiet: true, Objects } });
    const { Errors: [first] = [] } = await ask(what, client.send(command));
    if (first !== undefined) throw bucket.partialRefusal(what, first);
  }

  /** Keys under the store's prefix, in S3's order: UTF-8, but none in directory buckets. */
  async function* listPages(start: string): AsyncGenerator<string[]> {
    let ContinuationToken: string | undefined;
    do {
      const command = new ListObjectsV2Command({ Bucket, Prefix: prefix + start, ContinuationToken });
      const page: ListObjectsV2CommandOutput = await ask(`list ${start}`, client.send(command));
      // A key that ends in a slash is a folder that S3's console has made.
      yield (page.Contents ?? [])
        .map(({ Key = "" }) => Key)
        .filter((key) => !key.endsWith("/"))
        .map((key) => key.slice(prefix.length));
      ContinuationToken = page.NextContinuationToken;
    } while (ContinuationToken !== undefined);
  }

  const storage: Storage = {
    uri: `s3:${location}`,
    capabilities: {
      durable: true,
      shared: true,
      conditionalPut: true,
      rangeGet: true,
      list: true,
      batchKeys: BATCH_KEYS,
      blockingWait: false,
      maxValueBytes: MAX_MULTIPART_BYTES,
      // Other servers stand in for S3, or charge much like it.
      prices: REQUEST_PRICES[bucket.isDirectory ? "s3-express" : "s3"],
    },

    async put(key: string, parts: readonly Uint8Array[], options: PutOptions = {}): Promise<PutOutcome> {
      const object = target(key);
      const what = `put ${key}`;
      const conditional = options.ifAbsent === true;
      // A condition goes with one request: radosgw 16 ignores it where an upload of parts is completed.
      const maxBytes = conditional ? MAX_SINGLE_PUT_BYTES : MAX_MULTIPART_BYTES;
      if (bytesWithin(maxBytes, key, parts) >= MULTIPART_FROM_BYTES && !conditional) {
        await ask(what, putMultipart(client, object, parts));
        return "stored";
      }
      const condition = conditional ? { IfNoneMatch: "*" } : {};
      try {
        await client.send(new PutObjectCommand({ ...object, ...condition, Body: bodyOf(parts) }));
        return "stored";
      } catch (error) {
        if (conditional && refusalCode(error) === "PreconditionFailed") return "exists";
        throw bucket.refusal(what, error);
      }
    },

    async get(ref: GetRef, into?: Uint8Array): Promise<Uint8Array | undefined> {
      const object = target(ref.key);
      const { begin, end } = ref.range ?? { begin: 0, end: Infinity };
      if (!(Number.isInteger(begin) && begin >= 0 && end > begin)) return getNoBytes(ref);
      const range = ref.range ? { Range: `bytes=${begin}-${end - 1}` } : {};
      let bytes: Uint8Array | undefined;
      const options: TransportOptions = {
        destination: (sizeBytes) => (bytes = destination(ref, sizeBytes, into)),
      };
      try {
        const { ContentRange } = await client.send(new GetObjectCommand({ ...object, ...range }), options);
        if (ref.range) resolveRange(ref, wholeSizeBytes(ContentRange));
        return bytes;
      } catch (error) {
        if (isAbsence(error)) return undefined;
        if (refusalCode(error) === "InvalidRange") return getNoBytes(ref);
        throw bucket.refusal(`get ${ref.key}`, error);
      }
    },

    waitFor: (refs, options) => pollUntilPresent(storage, refs, options),

    async delete(keys: readonly string[]): Promise<void> {
      for (let i = 0; i < keys.length; i += BATCH_KEYS) await deleteBatch(keys.slice(i, i + BATCH_KEYS));
    },

    async *list(start: string): AsyncGenerator<string> {
      if (!bucket.isDirectory) {
        for await (const page of listPages(start)) yield* page;
        return;
      }
      // A directory bucket lists folders only, in no order.
      const folder = start.slice(0, start.lastIndexOf("/") + 1);
      const keys = (await Array.fromAsync(listPages(folder))).flat();
      yield* keys.filter((key) => key.startsWith(start)).sort();
    },

    async deleteFolder(folder: string): Promise<void> {
      checkFolder(folder);
      for await (const page of listPages(folder)) if (page.length > 0) await deleteBatch(page);
    },

    /** In whole seconds: the SDK keeps how far this machine's clock is from that of the last answer. */
    async timeMs(): Promise<number> {
      await ask("time", client.send(new HeadBucketCommand({ Bucket })));
      return Date.now() + client.config.systemClockOffset;
    },

    close() {
      bucket.close();
      return Promise.resolve();
    },
  };
  return storage;
}

function parseLocation(location: string): [bucket: string, prefix: string] {
  const [, bucket, folder = ""] = LOCATION.exec(location) ?? [];
  if (bucket === undefined) {
    throw new SltrainError({
      code: "storage-unknown",
      message: `storage: expected s3://BUCKET or s3://BUCKET/PREFIX, but got ${JSON.stringify(withoutCredentials(`s3:${location}`))}`,
      suggestions: ["A bucket's name has 3 to 63 lower-case letters, digits, dots and hyphens."],
    });
  }
  return [bucket, keyPrefix(folder)];
}

/** Whether there is no such object; a missing bucket is another thing. Answers to HEAD name no code. */
function isAbsence(error: unknown): boolean {
  return ["NoSuchKey", "NotFound"].includes(refusalCode(error) ?? "");
}

/** The object's size, from `bytes 5-9/10`. */
function wholeSizeBytes(contentRange: string | undefined): number {
  return Number(contentRange?.split("/")[1]);
}
