// A large object in parts, side by side: one stream to S3 is slower than the network. Readers see the old object until
// the upload is completed: https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html.

import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  type CompletedPart,
  type S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { slices } from "../parts.ts";
import { sideBySide } from "../side-by-side.ts";
import { bodyOf } from "./transport.ts";

const PART_BYTES = 16 * 1024 * 1024;
const PARTS_AT_ONCE = 4;
const MAX_PARTS = 10_000;

export const MAX_MULTIPART_BYTES = PART_BYTES * MAX_PARTS;

/** Puts `parts` joined; an upload that fails is aborted, so that its parts are not paid for. Throws the SDK's errors. */
export async function putMultipart(
  client: S3Client,
  target: { readonly Bucket: string; readonly Key: string },
  parts: readonly Uint8Array[],
): Promise<void> {
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(target));
  const upload = { ...target, UploadId };
  try {
    const bodies = slices(parts, PART_BYTES);
    const uploaded = new Array<CompletedPart>(bodies.length);
    await sideBySide(bodies.length, PARTS_AT_ONCE, async (i) => {
      const PartNumber = i + 1;
      const part = new UploadPartCommand({ ...upload, PartNumber, Body: bodyOf(bodies[i]!) });
      uploaded[i] = { PartNumber, ETag: (await client.send(part)).ETag };
    });
    await client.send(
      new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts: uploaded } }),
    );
  } catch (error) {
    // Whether that works or not, the put's own failure is what the caller must know.
    await Promise.allSettled([client.send(new AbortMultipartUploadCommand(upload))]);
    throw error;
  }
}
