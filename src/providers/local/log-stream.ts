// One sandbox's log file: the function's own output, and between it the lines that Lambda writes, in its format after the
// time: https://docs.aws.amazon.com/lambda/latest/dg/nodejs-logging.html. The function's process has the file itself: no
// output passes through the service, and nothing that was printed is lost with it.

import { closeSync, fstatSync, mkdirSync, openSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";

const TAIL_BYTES = 4096;

export interface Report {
  readonly requestId: string;
  readonly durationMs: number;
  readonly memoryMiB: number;
  readonly maxMemoryMiB: number;
  /** Only of a cold start. */
  readonly initMs: number | undefined;
  readonly errorType: string | undefined;
}

/** INIT is billed as well: https://aws.amazon.com/blogs/compute/aws-lambda-standardizes-billing-for-init-phase/. */
export function billedMs({ durationMs, initMs }: Pick<Report, "durationMs" | "initMs">): number {
  return Math.ceil(durationMs + (initMs ?? 0));
}

export class LogStream {
  readonly name: string;
  /** For a child process' standard output. */
  readonly fd: number;

  /** The file `NAME.log` in `folder`, which is made. */
  constructor(folder: string, name: string) {
    mkdirSync(folder, { recursive: true });
    this.name = name;
    // "a": whoever writes writes at the end. "+": tails are read from it.
    this.fd = openSync(join(folder, `${name}.log`), "a+");
  }

  get sizeBytes(): number {
    return fstatSync(this.fd).size;
  }

  start(requestId: string): void {
    this.#write(`START RequestId: ${requestId} Version: $LATEST`);
  }

  timedOut(requestId: string, timeoutS: number): void {
    this.#write(`${requestId} Task timed out after ${timeoutS.toFixed(2)} seconds`);
  }

  end(report: Report): void {
    const { requestId, durationMs, memoryMiB, maxMemoryMiB, initMs, errorType } = report;
    const fields = [
      `REPORT RequestId: ${requestId}`,
      `Duration: ${durationMs.toFixed(2)} ms`,
      `Billed Duration: ${billedMs(report)} ms`,
      `Memory Size: ${memoryMiB} MB`,
      `Max Memory Used: ${Math.ceil(maxMemoryMiB)} MB`,
      ...(initMs === undefined ? [] : [`Init Duration: ${initMs.toFixed(2)} ms`]),
      ...(errorType === undefined ? [] : statusFields(errorType)),
    ];
    this.#write(`END RequestId: ${requestId}`);
    this.#write(fields.join("\t"));
  }

  /** Its last 4 KiB at most, from `fromBytes` on. */
  tail(fromBytes: number): string {
    const begin = Math.max(fromBytes, this.sizeBytes - TAIL_BYTES);
    const bytes = new Uint8Array(this.sizeBytes - begin);
    const read = readSync(this.fd, bytes, { position: begin });
    return new TextDecoder().decode(bytes.subarray(0, read));
  }

  close(): void {
    closeSync(this.fd);
  }

  #write(text: string): void {
    try {
      writeSync(this.fd, `${new Date().toISOString()}\t${text}\n`);
    } catch (error) {
      // A full disk costs lines, not functions.
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    }
  }
}

function statusFields(errorType: string): string[] {
  return errorType === "Sandbox.Timedout"
    ? ["Status: timeout"]
    : ["Status: error", `Error Type: ${errorType}`];
}
