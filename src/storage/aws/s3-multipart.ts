// A large object in parts, side by side: one stream to S3 is slower than the network. Readers see the old object until
// the upload is completed: https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html.

import { slices } from "../parts.ts";
import { sideBySide } from "../side-by-side.ts";
import type { S3Bucket } from "./s3-bucket.ts";
import { xmlText } from "./xml.ts";

const PART_BYTES = 16 * 1024 * 1024;
const PARTS_AT_ONCE = 4;
const MAX_PARTS = 10_000;

export const MAX_MULTIPART_BYTES = PART_BYTES * MAX_PARTS;

/** Puts `parts` joined under `key`; an upload that fails is aborted, so that its parts are not paid for. */
export async function putMultipart(
  bucket: S3Bucket,
  key: string,
  parts: readonly Uint8Array[],
): Promise<void> {
  const what = `put ${key}`;
  const begun = await bucket.send({ method: "POST", what, key, query: { uploads: "" } });
  const uploadId = xmlText(textOf(begun.body), "UploadId") ?? "";
  try {
    const bodies = slices(parts, PART_BYTES);
    const etags = new Array<string>(bodies.length);
    await sideBySide(bodies.length, PARTS_AT_ONCE, async (i) => {
      const query = { partNumber: `${i + 1}`, uploadId };
      const { headers } = await bucket.send({ method: "PUT", what, key, query, body: bodies[i]! });
      etags[i] = headers.etag ?? "";
    });
    const list = etags.map((etag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${etag}</ETag></Part>`);
    const body = [Buffer.from(`<CompleteMultipartUpload>${list.join("")}</CompleteMultipartUpload>`)];
    const completed = await bucket.send({ method: "POST", what, key, query: { uploadId }, body });
    // S3 answers 200 before it has put the parts together, and says in the body how that went.
    if (xmlText(textOf(completed.body), "Code") !== undefined) throw bucket.refusal({ what }, completed);
  } catch (error) {
    // Whether that works or not, the put's own failure is what the caller must know.
    await Promise.allSettled([bucket.send({ method: "DELETE", what, key, query: { uploadId } })]);
    throw error;
  }
}

function textOf(body: Uint8Array): string {
  return Buffer.from(body).toString();
}
