// One rank's way to one parameter server, by undici: never `fetch`, which would send a view of shared memory as text. It
// persists through resets and restarts as long as its caller's signal lets it; a server that has forgotten the run is
// told everything again that this rank still holds.

import { type Dispatcher, Pool } from "undici";
import { SltrainError, type ErrorRecord } from "../../errors.ts";
import type { FrameAddress } from "../../shard/frame.ts";
import { Tries } from "../../storage/layers/retry.ts";
import type { PutOutcome } from "../../storage/storage.ts";
import { type Joined, type MissingPart, paths, RUN_FORGOTTEN, type RunDescription } from "./protocol.ts";

/** Beside the connection on which the means come: one frame is sent while the answer to another is on its way. */
const UPLOADS = 2;
const CONNECT_TIMEOUT_MS = 5_000;
/** The caller's signal ends it. */
const PATIENCE = { deadlineMs: Infinity, firstPauseMs: 20, maxPauseMs: 1_000 };
const TRANSIENT = /^(?:E[A-Z_]+|UND_ERR_[A-Z_]+)$/;
const CREATED = 201;
const UNAVAILABLE = 503;

export interface SentFrame {
  readonly address: FrameAddress;
  /** May view the memory that was pushed; must not change while a round is under way. */
  readonly parts: readonly Uint8Array[];
}

export interface ConnectionOptions {
  /** `host:port` */
  readonly server: string;
  readonly token: string;
  readonly runId: string;
  readonly rank: number;
  readonly description: RunDescription;
  /** What this rank holds for the server, means before sums. */
  readonly held: () => Iterable<SentFrame>;
}

export interface ConnectionTraffic {
  requests: number;
  bytesUp: number;
  bytesDown: number;
}

interface Exchange {
  readonly method: "GET" | "PUT" | "DELETE";
  readonly path: string;
  readonly body?: readonly Uint8Array[];
  readonly signal: AbortSignal;
  /** Called with the parts of a body of status 200; what it throws ends the exchange. */
  readonly onData?: (part: Uint8Array) => void;
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

export class Connection {
  readonly traffic: ConnectionTraffic = { requests: 0, bytesUp: 0, bytesDown: 0 };
  /** Why the server could not be asked, since it last answered. */
  trouble: unknown;
  readonly #options: ConnectionOptions;
  readonly #pool: Pool;
  /** The incarnation that requests name; all that is held has been sent to it. */
  #session: Promise<string> | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#pool = new Pool(`http://${options.server}`, {
      connections: UPLOADS + 1,
      pipelining: 1,
      connect: { timeout: CONNECT_TIMEOUT_MS },
      // Whoever waits has a deadline of their own.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  get server(): string {
    return this.#options.server;
  }

  /** Throws what the server refuses the run with: "run-differs", "ps-full", "ps-unauthorized". */
  async join(signal: AbortSignal): Promise<void> {
    await this.#sessionOf(signal);
  }

  /** "exists" if the server had another of the same address. */
  async put(frame: SentFrame, signal: AbortSignal): Promise<PutOutcome> {
    const { status } = await this.#ask({
      method: "PUT",
      path: this.#framePath(frame),
      body: frame.parts,
      signal,
    });
    return status === CREATED ? "stored" : "exists";
  }

  /** The round's means as the server has them; `onData` as they come. Resolves when the server has no more, or was cut off. */
  async follow(
    lane: number,
    step: number,
    durableStep: number,
    { signal, onData }: Required<Pick<Exchange, "signal" | "onData">>,
  ): Promise<void> {
    const path = `${paths.round(lane, step)}?rank=${this.#options.rank}&durable=${durableStep}`;
    await this.#ask({ method: "GET", path, signal, onData });
  }

  async missing(lane: number, step: number, signal: AbortSignal): Promise<readonly MissingPart[]> {
    const path = `${paths.round(lane, step)}/missing?rank=${this.#options.rank}`;
    const { text } = await this.#ask({ method: "GET", path, signal });
    return JSON.parse(text) as MissingPart[];
  }

  /** Finds out whether the server still knows the run, and tells it again if not. */
  async touch(signal: AbortSignal): Promise<void> {
    await this.#ask({ method: "GET", path: "", signal });
  }

  /** Settles when nothing that was held is being told again. */
  async told(): Promise<void> {
    await this.#session;
  }

  close(): Promise<void> {
    return this.#pool.destroy();
  }

  /** The last part is who sends, which for a mean that is told again is not who made it. */
  #framePath({ address }: SentFrame): string {
    const { lane, step, level, bucket, piece } = address;
    return `${paths.round(lane, step)}/${level}/${bucket}/${piece}/${this.#options.rank}`;
  }

  /** A request about the run; `path` follows the incarnation. */
  async #ask(exchange: Exchange): Promise<Answer> {
    for (;;) {
      const incarnation = await this.#sessionOf(exchange.signal);
      const path = paths.incarnation(this.#options.runId, incarnation) + exchange.path;
      const answer = await this.#persist({ ...exchange, path });
      if (!isForgotten(answer)) return this.#accepted(answer);
      await this.#renewSession(incarnation, exchange.signal);
    }
  }

  async #sessionOf(signal: AbortSignal): Promise<string> {
    this.#session ??= this.#openSession(signal);
    const session = this.#session;
    try {
      return await session;
    } catch (error) {
      // The next who asks tries anew.
      if (this.#session === session) this.#session = undefined;
      throw error;
    }
  }

  /** Of all who find the session gone, the first opens the next. */
  async #renewSession(gone: string, signal: AbortSignal): Promise<void> {
    if ((await this.#sessionOf(signal)) === gone) this.#session = undefined;
  }

  async #openSession(signal: AbortSignal): Promise<string> {
    const { runId, description, held } = this.#options;
    const body = [Buffer.from(JSON.stringify(description))];
    for (;;) {
      const answer = await this.#persist({ method: "PUT", path: paths.run(runId), body, signal });
      const { incarnation } = JSON.parse(this.#accepted(answer).text) as Joined;
      let forgotten = false;
      for (const frame of held()) {
        const path = paths.incarnation(runId, incarnation) + this.#framePath(frame);
        const told = await this.#persist({ method: "PUT", path, body: frame.parts, signal });
        forgotten = isForgotten(told);
        if (forgotten) break;
        this.#accepted(told);
      }
      if (!forgotten) return incarnation;
    }
  }

  #accepted(answer: Answer): Answer {
    if (answer.status < 300) return answer;
    const { code, message, suggestions } = JSON.parse(answer.text) as ErrorRecord;
    throw new SltrainError({ code, message: `ps ${this.server}: ${message}`, suggestions });
  }

  /** Tries until there is an answer other than "unavailable". Throws the signal's reason, or what `onData` threw. */
  async #persist(exchange: Exchange): Promise<Answer> {
    const { signal } = exchange;
    const tries = new Tries({ ...PATIENCE, signal });
    for (;;) {
      try {
        const answer = await this.#exchange(exchange);
        if (answer.status === UNAVAILABLE) throw this.#transient(`status ${UNAVAILABLE}`);
        this.trouble = undefined;
        return answer;
      } catch (error) {
        signal.throwIfAborted();
        const isTransient = TRANSIENT.test(String((error as NodeJS.ErrnoException).code));
        this.trouble = isTransient ? this.#transient((error as Error).message, error) : error;
        await tries.failed(this.trouble);
      }
    }
  }

  #transient(got: string, cause?: unknown): SltrainError {
    return new SltrainError({
      code: "ps-unreachable",
      message: `ps ${this.server}: expected an answer, but got ${got}`,
      cause,
      suggestions: [
        `See that \`sltrain ps serve\` runs on ${this.server} and that the workers can reach it.`,
      ],
      retryable: true,
    });
  }

  #exchange({ method, path, body, signal, onData }: Exchange): Promise<Answer> {
    signal.throwIfAborted();
    const bodyBytes = body?.reduce((total, { byteLength }) => total + byteLength, 0) ?? 0;
    this.traffic.requests++;
    this.traffic.bytesUp += bodyBytes;
    return new Promise((resolve, reject) => {
      let controller: Dispatcher.DispatchController | undefined;
      const abort = (): void => {
        controller?.abort(signal.reason as Error);
        reject(signal.reason as Error);
      };
      signal.addEventListener("abort", abort, { once: true });
      let status = 0;
      let text = "";
      this.#pool.dispatch(
        {
          method,
          path,
          headers: {
            authorization: `Bearer ${this.#options.token}`,
            ...(body !== undefined && { "content-length": String(bodyBytes) }),
          },
          // An array of views goes out as it is; a copy in one piece would cost as much as the checksum.
          body:
            body === undefined
              ? null
              : (body.map(bufferOf) as unknown as Dispatcher.DispatchOptions["body"] & object),
        },
        {
          onRequestStart: (started) => {
            controller = started;
            if (signal.aborted) started.abort(signal.reason as Error);
          },
          onResponseStart: (_, statusCode) => {
            status = statusCode;
          },
          onResponseData: (current, part) => {
            this.traffic.bytesDown += part.byteLength;
            if (status !== 200 || onData === undefined) {
              text += part.toString();
              return;
            }
            try {
              onData(part);
            } catch (error) {
              current.abort(error as Error);
            }
          },
          onResponseEnd: () => {
            signal.removeEventListener("abort", abort);
            resolve({ status, text });
          },
          onResponseError: (_, error) => {
            signal.removeEventListener("abort", abort);
            reject(error);
          },
        },
      );
    });
  }
}

function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

function isForgotten({ status, text }: Answer): boolean {
  return status === 409 && (JSON.parse(text) as ErrorRecord).code === RUN_FORGOTTEN;
}
