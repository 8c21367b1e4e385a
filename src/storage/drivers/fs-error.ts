// What the operating system's error codes mean to somebody who chose a folder as storage.

import { SltrainError } from "../../errors.ts";

interface Explanation {
  readonly code: string;
  readonly expected: string;
  readonly suggestions: readonly string[];
  readonly retryable?: true;
}

const full: Explanation = {
  code: "storage-full",
  expected: "expected room on the disk",
  suggestions: [
    "Free some space, or choose a folder on another disk.",
    "Frames take less with a lower SLTRAIN_MAX_FRAME_BYTES: checkpoints come more often.",
  ],
};
const notWritable: Explanation = {
  code: "storage-not-writable",
  expected: "expected a folder that this user may read and write",
  suggestions: ["Give yourself write access to the folder, or choose another one: fs:PATH."],
};
const blocked: Explanation = {
  code: "storage-not-writable",
  expected: "expected folders on the way to the key, but a file stands there",
  suggestions: ["Move that file away, or choose another folder: fs:PATH."],
};
const noLinks: Explanation = {
  code: "storage-unsupported",
  expected: "expected one file system with hard links, which put-if-absent needs",
  suggestions: ["Choose a folder on a local disk or NFS: fs:PATH."],
};
const tooManyFiles: Explanation = {
  code: "storage-failed",
  expected: "expected to be allowed one more open file",
  suggestions: ["Raise the limit of open files (ulimit -n)."],
  retryable: true,
};
const failed: Explanation = {
  code: "storage-failed",
  expected: "expected the file system to do it",
  suggestions: [],
};

const explanations: Readonly<Record<string, Explanation>> = {
  ENOSPC: full,
  EDQUOT: full,
  EACCES: notWritable,
  EROFS: notWritable,
  EPERM: notWritable,
  ENOENT: notWritable, // after its parent was made: /proc and the like
  ENOTDIR: blocked,
  EISDIR: blocked,
  EEXIST: blocked, // mkdir on a file's name
  EXDEV: noLinks,
  ENOTSUP: noLinks,
  EOPNOTSUPP: noLinks,
  EMLINK: noLinks,
  EMFILE: tooManyFiles,
  ENFILE: tooManyFiles,
};

/** `ENOENT` and the like; undefined for what did not come from a system call. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** The user's error for a failed operation on `key`, which lies at `file`. Errors of ours pass unchanged. */
export function fsError(error: unknown, operation: string, key: string, file: string): SltrainError {
  if (error instanceof SltrainError) return error;
  const { code, expected, suggestions, retryable } = explanations[errorCode(error) ?? ""] ?? failed;
  const got = error instanceof Error ? error.message : String(error);
  return new SltrainError({
    code,
    message: `storage ${operation} ${key}: ${expected} at ${file}, but got ${got}`,
    cause: error,
    suggestions,
    retryable: retryable ?? false,
  });
}
