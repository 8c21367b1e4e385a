// What Redis' errors mean to somebody who chose it as storage or channel.

import { SltrainError } from "../../errors.ts";
import type { ExplainError } from "../wire/resp.ts";

interface Explanation {
  readonly code: string;
  readonly expected: string;
  readonly suggestions: readonly string[];
  readonly retryable?: true;
}

const denied: Explanation = {
  code: "storage-denied",
  expected: "expected to be allowed to",
  suggestions: [
    "Give user and password in the URI or in REDIS_USERNAME and REDIS_PASSWORD.",
    "The user needs GET, GETRANGE, STRLEN, EXISTS, SET, UNLINK, SCAN, HELLO and CLIENT TRACKING on all keys.",
  ],
};
const full: Explanation = {
  code: "storage-full",
  expected: "expected room in the memory of the Redis",
  suggestions: [
    "Raise its maxmemory, delete what is no longer needed, or choose another --channel.",
    "Frames take less with a lower SLTRAIN_MAX_FRAME_BYTES: checkpoints come more often.",
  ],
};
const busy: Explanation = {
  code: "storage-busy",
  expected: "expected a Redis that can take commands now",
  suggestions: ["Wait until it is ready; the address must be that of the primary."],
  retryable: true,
};
const cluster: Explanation = {
  code: "storage-unsupported",
  expected: "expected one Redis or the primary of several, not a cluster",
  suggestions: ["Use a Redis with cluster mode disabled."],
};
const old: Explanation = {
  code: "storage-unsupported",
  expected: "expected a Redis of version 6 or newer, with HELLO 3 and CLIENT TRACKING",
  suggestions: ["Use a newer Redis, Valkey, or another --channel."],
};
const failed: Explanation = { code: "storage-failed", expected: "expected Redis to do it", suggestions: [] };

/** By the first word of an error. */
const explanations: Readonly<Record<string, Explanation>> = {
  NOAUTH: denied,
  WRONGPASS: denied,
  NOPERM: denied,
  OOM: full,
  LOADING: busy,
  BUSY: busy,
  READONLY: busy,
  MASTERDOWN: busy,
  TRYAGAIN: busy,
  MOVED: cluster,
  ASK: cluster,
  CLUSTERDOWN: cluster,
  CROSSSLOT: cluster,
  NOPROTO: old,
};

/** For what an ERR, which has no code, begins with. */
const described: readonly (readonly [begin: string, explanation: Explanation])[] = [
  ["ERR unknown command", old],
  ["ERR unknown subcommand", old],
  ["ERR max number of clients", busy],
];

export function redisError(name: string): ExplainError {
  return (line) => {
    const word = line.split(" ", 1)[0]!;
    const explanation =
      explanations[word] ?? described.find(([begin]) => line.startsWith(begin))?.[1] ?? failed;
    const { code, expected, suggestions, retryable = false } = explanation;
    // An unknown command is repeated with its arguments, and one of them may be the password.
    const got = line.split(", with args", 1)[0]!;
    return new SltrainError({
      ...{ code, suggestions, retryable },
      message: `storage ${name}: ${expected}, but got ${JSON.stringify(got)}`,
    });
  };
}
