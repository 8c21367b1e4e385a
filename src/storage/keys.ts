// What a key may look like, the same for every driver, so that a run can move from one store to another.

import { SltrainError } from "../errors.ts";

/** S3 and DynamoDB take 1024 bytes, the prefix of a store in a bucket or table included. */
export const MAX_KEY_LENGTH = 768;
const MAX_PREFIX_LENGTH = 1024 - MAX_KEY_LENGTH - 1;
const MAX_SEGMENT_LENGTH = 240; // ext4 and tmpfs allow 255 bytes
const KEY = /^[A-Za-z0-9_=@+-][A-Za-z0-9._=@+-]*(?:\/[A-Za-z0-9_=@+-][A-Za-z0-9._=@+-]*)*$/;
const LONG_SEGMENT = new RegExp(`[^/]{${MAX_SEGMENT_LENGTH + 1}}`);

/** Throws SltrainError "key-invalid"; a segment never begins with a dot, so that no key leaves its root. */
export function checkKey(key: string): void {
  if (key.length <= MAX_KEY_LENGTH && KEY.test(key) && !LONG_SEGMENT.test(key)) return;
  throw new SltrainError({
    code: "key-invalid",
    message:
      `storage key: expected segments of letters, digits and ._=@+- that do not begin with a dot, joined by "/", ` +
      `each of at most ${MAX_SEGMENT_LENGTH} characters, but got ${JSON.stringify(key.slice(0, MAX_KEY_LENGTH))}`,
  });
}

/** Throws SltrainError "key-invalid" for a prefix that is not a key and a slash. */
export function checkFolder(folder: string): void {
  checkKey(folder.endsWith("/") ? folder.slice(0, -1) : "");
}

/** `folder/` before every key of a store that shares a bucket or table; "" for none. Throws "key-invalid". */
export function keyPrefix(folder: string): string {
  const prefix = folder.replace(/\/$/, "");
  if (prefix === "") return "";
  checkKey(prefix);
  if (prefix.length <= MAX_PREFIX_LENGTH) return `${prefix}/`;
  throw new SltrainError({
    code: "key-invalid",
    message: `storage prefix: expected at most ${MAX_PREFIX_LENGTH} characters, but got ${prefix.length}`,
  });
}
