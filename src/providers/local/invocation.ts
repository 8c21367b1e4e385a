// One call of a function on its way through the local service, and how it ended.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html

import { isDeepStrictEqual } from "node:util";

export interface Invocation {
  /** The same for all retries of one asynchronous event. */
  readonly requestId: string;
  readonly payload: Uint8Array;
}

export interface Outcome {
  /** What the handler returned, or Lambda's JSON of an error, for the caller. */
  readonly payload: Uint8Array;
  /** Its absence is success. */
  readonly errorType?: string | undefined;
  /** What the log says of this invocation: its last 4 KiB. */
  readonly logTail: string;
}

/** Why a sandbox was ended while its function ran; each has Lambda's words. */
export type EndReason = "time-out" | "out-of-memory" | "killed";

export interface FunctionError {
  readonly errorType: string;
  readonly errorMessage: string;
}

export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Of the service, if it ended the process. */
  readonly reason: EndReason | undefined;
}

/** As Lambda words the end of a process that owed an answer. */
export function exitError({ requestId }: Invocation, exit: ProcessEnd, timeoutS: number): FunctionError {
  if (exit.reason === "time-out") {
    return {
      errorType: "Sandbox.Timedout",
      errorMessage: `RequestId: ${requestId} Error: Task timed out after ${timeoutS.toFixed(2)} seconds`,
    };
  }
  const how =
    exit.signal === null ? `exit status ${exit.code}` : `signal: ${SIGNAL_NAMES[exit.signal] ?? exit.signal}`;
  const why =
    exit.code === 0 ? "Runtime exited without providing a reason" : `Runtime exited with error: ${how}`;
  return {
    errorType: exit.reason === "out-of-memory" ? "Runtime.OutOfMemory" : "Runtime.ExitError",
    errorMessage: `RequestId: ${requestId} Error: ${why}`,
  };
}

/** Lambda's own processes are written in Go, which has these words. */
const SIGNAL_NAMES: Readonly<Partial<Record<NodeJS.Signals, string>>> = {
  SIGABRT: "aborted",
  SIGKILL: "killed",
  SIGSEGV: "segmentation fault",
  SIGTERM: "terminated",
};

/** Of what a runtime reported. */
export function errorTypeOf(error: Uint8Array): string {
  const { errorType } = fieldsOf(error);
  return typeof errorType === "string" ? errorType : "Runtime.Unknown";
}

/** A JSON object's fields that must be equal for it to be meant: `{"rank":2}`. */
export type Match = Readonly<Record<string, unknown>>;

export function matches({ payload }: Invocation, match: Match): boolean {
  const event = fieldsOf(payload);
  return Object.entries(match).every(([name, value]) => isDeepStrictEqual(event[name], value));
}

function fieldsOf(payload: Uint8Array): Record<string, unknown> {
  const event: unknown = payload.byteLength === 0 ? {} : JSON.parse(new TextDecoder().decode(payload));
  return typeof event === "object" && event !== null ? (event as Record<string, unknown>) : {};
}
