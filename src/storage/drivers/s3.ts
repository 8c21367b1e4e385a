// s3://BUCKET[/PREFIX], also S3 Express One Zone, and servers that speak S3's protocol (AWS_ENDPOINT_URL).
// Requests are our own over Node's HTTP client, for the SDK's cost 0.75 ms of CPU each where these cost 0.25, and its
// loading 90 ms of a cold start: https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html

import { crc32 } from "node:zlib";
import { SltrainError } from "../../errors.ts";
import { MAX_MULTIPART_BYTES, putMultipart } from "../aws/s3-multipart.ts";
import { S3Bucket, type S3Request } from "../aws/s3-bucket.ts";
import { escapeXml, xmlText, xmlTexts } from "../aws/xml.ts";
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

/** Throws "storage-unknown" for a location of another form, "storage-region" and "storage-denied". Sends nothing. */
export async function open(location: string): Promise<Storage> {
  const [bucketName, prefix] = parseLocation(location);
  const bucket = await S3Bucket.open(bucketName, process.env);

  const objectKey = (key: string): string => {
    checkKey(key);
    return prefix + key;
  };

  /** For what no HTTP range can say: no bytes, or bytes that cannot be. */
  async function getNoBytes(ref: GetRef): Promise<Uint8Array | undefined> {
    const key = objectKey(ref.key);
    const response = await bucket.send({ method: "HEAD", what: `get ${ref.key}`, key, expected: [404] });
    if (response.status === 404) return undefined;
    resolveRange(ref, Number(response.headers["content-length"]));
    return new Uint8Array(0);
  }

  async function deleteBatch(keys: readonly string[]): Promise<void> {
    const objects = keys.map((key) => `<Object><Key>${escapeXml(prefix + key)}</Key></Object>`).join("");
    const body = Buffer.from(`<Delete><Quiet>true</Quiet>${objects}</Delete>`);
    const checksum = Buffer.alloc(4);
    checksum.writeUInt32BE(crc32(body));
    const what = `delete ${keys.length} keys such as ${keys[0]}`;
    const response = await bucket.send({
      ...{ method: "POST", what, query: { delete: "" }, body: [body] },
      headers: {
        "x-amz-sdk-checksum-algorithm": "CRC32",
        "x-amz-checksum-crc32": checksum.toString("base64"),
      },
    });
    if (xmlText(Buffer.from(response.body).toString(), "Code") !== undefined) {
      throw bucket.refusal({ what }, response);
    }
  }

  /** Keys under the store's prefix, in S3's order: UTF-8, but none in directory buckets. */
  async function* listPages(start: string): AsyncGenerator<string[]> {
    let continuation: string | undefined;
    do {
      const response = await bucket.send({
        ...{ method: "GET", what: `list ${start}` },
        query: {
          ...{ "list-type": "2", prefix: prefix + start },
          ...(continuation !== undefined && { "continuation-token": continuation }),
        },
      });
      const xml = Buffer.from(response.body).toString();
      // A key that ends in a slash is a folder that S3's console has made.
      yield xmlTexts(xml, "Key")
        .filter((key) => !key.endsWith("/"))
        .map((key) => key.slice(prefix.length));
      continuation = xmlText(xml, "NextContinuationToken");
    } while (continuation !== undefined);
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
      const target = objectKey(key);
      const conditional = options.ifAbsent === true;
      // A condition goes with one request: radosgw 16 ignores it where an upload of parts is completed.
      const maxBytes = conditional ? MAX_SINGLE_PUT_BYTES : MAX_MULTIPART_BYTES;
      const inParts = bytesWithin(maxBytes, key, parts) >= MULTIPART_FROM_BYTES && !conditional;
      if (inParts) {
        await putMultipart(bucket, target, parts);
        return "stored";
      }
      const response = await bucket.send({
        ...{ method: "PUT", what: `put ${key}`, key: target, body: parts },
        ...(conditional && { headers: { "if-none-match": "*" }, expected: [412] }),
      });
      return response.status === 412 ? "exists" : "stored";
    },

    async get(ref: GetRef, into?: Uint8Array): Promise<Uint8Array | undefined> {
      const { begin, end } = ref.range ?? { begin: 0, end: Infinity };
      if (!(Number.isInteger(begin) && begin >= 0 && end > begin)) return getNoBytes(ref);
      const request: S3Request = {
        ...{ method: "GET", what: `get ${ref.key}`, key: objectKey(ref.key), expected: [404, 416] },
        ...(ref.range && { headers: { range: `bytes=${begin}-${end - 1}` } }),
        destination: (sizeBytes) => destination(ref, sizeBytes, into),
      };
      const response = await bucket.send(request);
      if (response.status === 404) {
        if (xmlText(Buffer.from(response.body).toString(), "Code") === "NoSuchBucket") {
          throw bucket.refusal(request, response);
        }
        return undefined;
      }
      if (response.status === 416) return getNoBytes(ref);
      if (ref.range) resolveRange(ref, wholeSizeBytes(response.headers["content-range"]));
      return response.body;
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

    /** In whole seconds. */
    async timeMs(): Promise<number> {
      const response = await bucket.send({ method: "HEAD", what: "time" });
      return Date.parse(response.headers.date ?? "");
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

/** The object's size, from `bytes 5-9/10`. */
function wholeSizeBytes(contentRange: string | undefined): number {
  return Number(contentRange?.split("/")[1]);
}
