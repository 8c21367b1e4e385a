// Redis' protocol, version 3 (https://redis.io/docs/latest/develop/reference/protocol-spec/): commands as bytes, and the
// reading of what sltrain's few commands answer.

import type { SltrainError } from "../../errors.ts";
import { totalBytes } from "../parts.ts";
import type { Need, ReplyReader } from "./connection.ts";

/** Strings are latin1, for keys are ASCII. Maps are arrays of keys and values in turn. */
export type RespValue = string | number | null | readonly RespValue[];

/** Turns an error's line, without its "-", into what is thrown. */
export type ExplainError = (line: string) => SltrainError;

const CRLF = "\r\n";
export const CRLF_BYTES = 2;

/** The command's bytes: arguments in latin1, or bytes in parts, which are sent as they lie. */
export function command(...args: readonly (string | readonly Uint8Array[])[]): Uint8Array[] {
  const parts: Uint8Array[] = [];
  let head = `*${args.length}${CRLF}`;
  for (const arg of args) {
    if (typeof arg === "string") {
      head += `$${arg.length}${CRLF}${arg}${CRLF}`;
    } else {
      const sizeBytes = totalBytes(arg);
      parts.push(Buffer.from(`${head}$${sizeBytes}${CRLF}`, "latin1"), ...arg);
      head = CRLF;
    }
  }
  return [...parts, Buffer.from(head, "latin1")];
}

/** A reply of any kind. */
export function anyReply(explain: ExplainError): ReplyReader<RespValue> {
  return (line) => readValue(line, explain);
}

/** A bulk string into the memory that `destination` gives for its size; undefined for null. */
export function bulkReply(
  explain: ExplainError,
  destination: (sizeBytes: number) => Uint8Array,
): ReplyReader<Uint8Array | undefined> {
  return function* (line, request) {
    if (!line.startsWith("$")) {
      const value = yield* readValue(line, explain);
      if (value !== null) throw new Error(`expected bytes of Redis, but got ${JSON.stringify(value)}`);
      return undefined;
    }
    const sizeBytes = countOf(line);
    if (sizeBytes < 0) return undefined;
    if (request.abandoned) {
      yield sizeBytes + CRLF_BYTES;
      return undefined;
    }
    let bytes: Uint8Array;
    try {
      bytes = destination(sizeBytes);
    } catch (error) {
      yield sizeBytes + CRLF_BYTES;
      throw error;
    }
    yield bytes;
    yield CRLF_BYTES;
    return bytes;
  };
}

export function* readValue(line: string, explain: ExplainError): Generator<Need, RespValue, string> {
  const rest = line.slice(1);
  switch (line.charAt(0)) {
    case "+":
    case ",":
    case "(":
      return rest;
    case ":":
      return Number(rest);
    case "#":
      return rest === "t" ? 1 : 0;
    case "_":
      return null;
    case "-":
      throw explain(rest);
    case "$":
    case "=": {
      const sizeBytes = countOf(line);
      if (sizeBytes < 0) return null;
      const bytes = Buffer.alloc(sizeBytes);
      yield bytes;
      yield CRLF_BYTES;
      return bytes.toString("latin1");
    }
    case "*":
    case "~":
    case ">":
      return yield* readValues(countOf(line), explain);
    case "%":
      return yield* readValues(2 * countOf(line), explain);
    default:
      throw new Error(`no Redis of version 6 or newer answers ${JSON.stringify(line.slice(0, 80))}`);
  }
}

function* readValues(count: number, explain: ExplainError): Generator<Need, RespValue, string> {
  if (count < 0) return null;
  const values: RespValue[] = [];
  while (values.length < count) values.push(yield* readValue(yield "line", explain));
  return values;
}

function countOf(line: string): number {
  const count = Number(line.slice(1));
  if (!Number.isInteger(count))
    throw new Error(`expected a count of Redis, but got ${JSON.stringify(line.slice(0, 80))}`);
  return count;
}
