// A TCP connection to a server that answers requests in their order, with lines and counted bytes: Redis, memcached.
// Requests are written from the memory where they lie, and large bodies are read from the socket straight to where they
// shall go; both may be shared with WASM. Many requests may be under way. Knows no protocol.

import net from "node:net";
import tls from "node:tls";
import { SltrainError, type SltrainErrorOptions } from "../../errors.ts";

export interface Address {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
}

/** What a reply's reader asks for next: a line, so many bytes as fill the memory, or so many that nobody wants. */
export type Need = "line" | Uint8Array | number;

/**
 * Reads one reply: begins with its first line (without CRLF), is resumed with each further line, ends with the result. A
 * SltrainError that it throws, having read the reply to its end, is the request's failure; anything else breaks the
 * connection, for nobody knows then where the next reply begins.
 */
export type ReplyReader<T> = (line: string, request: Abandonable) => Generator<Need, T, string>;

export interface Abandonable {
  /** Nobody waits any more, and the memory that the reply was to be read into belongs to others. */
  readonly abandoned: boolean;
}

export interface Request<T> {
  /** For messages: `get runs/1/x`. */
  readonly name: string;
  /** Not read after the reply has come or failed. */
  readonly parts: readonly Uint8Array[];
  readonly read: ReplyReader<T>;
}

export interface ConnectionEvents {
  /** A reader for what the server says unasked; undefined if the line begins a reply. */
  readonly unasked?: (line: string) => Generator<Need, void, string> | undefined;
  readonly lost?: () => void;
}

interface Pending extends Abandonable {
  readonly request: Request<unknown>;
  resolve: (value: unknown) => void;
  reject: (reason: unknown) => void;
  abandoned: boolean;
}

type Breakage = Required<Pick<SltrainErrorOptions, "code" | "suggestions" | "retryable">>;

const gone: Breakage = {
  code: "storage-unreachable",
  suggestions: ["See that the server runs, and that host and port are right."],
  retryable: true,
};
const wrongServer: Breakage = {
  code: "storage-failed",
  suggestions: ["See that the port is that of the store which the URI names, and how old its server is."],
  retryable: false,
};

const CONNECT_TIMEOUT_MS = 10_000;
/** The server is given up when nothing has moved for so long, either way, while a reply is due. */
const STALL_MS = 30_000;
/** A reply that is being read into memory which its reader has left is given so long to end. */
const ABANDONED_MS = 1000;
const KEEP_ALIVE_MS = 15_000;
/** Fits the caches; what comes in smaller pieces is copied out of it. */
const SCRATCH_BYTES = 64 * 1024;
const MAX_LINE_BYTES = 64 * 1024;
const LF = 0x0a;

export class Connection {
  readonly #address: Address;
  readonly #socket: net.Socket;
  readonly #events: ConnectionEvents;
  readonly #pending: Pending[] = [];
  readonly #scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  /** The reply that is being read, and what it needs next. */
  #reader: Generator<Need, unknown, string> | undefined;
  /** Whose reply it is; undefined for what came unasked. */
  #reading: Pending | undefined;
  #need: Need = "line";
  /** Of the memory or the bytes that are needed. */
  #done = 0;
  /** The beginning of a line whose end has not come. */
  #line = "";
  #corked = false;
  #failure: SltrainError | undefined;

  /** Resolves once connected. Throws SltrainError "storage-unreachable". */
  static open(address: Address, events: ConnectionEvents): Promise<Connection> {
    const connection = new Connection(address, events);
    const socket = connection.#socket;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => connection.#break(`no connection within ${CONNECT_TIMEOUT_MS} ms`),
        CONNECT_TIMEOUT_MS,
      );
      socket.once(address.tls ? "secureConnect" : "connect", () => {
        clearTimeout(timer);
        socket.setTimeout(STALL_MS, () => connection.#stalled());
        socket.unref();
        resolve(connection);
      });
      socket.once("close", () => {
        clearTimeout(timer);
        reject(connection.#failure ?? connection.#broken("connect", "the connection was closed", gone));
      });
    });
  }

  private constructor(address: Address, events: ConnectionEvents) {
    this.#address = address;
    this.#events = events;
    const { host, port } = address;
    const options: net.TcpNetConnectOpts = {
      ...{ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS },
      // A function, so that each read may go elsewhere.
      onread: {
        buffer: () => this.#readTarget(),
        callback: (count, buffer) => {
          this.#take(buffer, count);
          return true;
        },
      },
    };
    this.#socket = address.tls
      ? tls.connect({ ...options, servername: net.isIP(host) ? "" : host })
      : net.connect(options);
    this.#socket.on("error", (error) => this.#break(error.message));
    this.#socket.on("end", () => this.#break("the server closed the connection"));
    this.#socket.on("close", () => this.#break("the connection was closed"));
  }

  get broken(): boolean {
    return this.#failure !== undefined;
  }

  /**
   * The reply, once it is there. After an abort of `signal`, rejected with its reason as soon as nothing more is written
   * into the request's memory. Throws SltrainError "storage-unreachable" (retryable).
   */
  send<T>(request: Request<T>, signal?: AbortSignal): Promise<T> {
    if (signal?.aborted === true) return Promise.reject(signal.reason as Error);
    if (this.#failure !== undefined) {
      return Promise.reject(this.#broken(request.name, "the connection is broken", gone));
    }
    return new Promise<T>((resolve, reject) => {
      const pending: Pending = {
        ...{ request, reject, abandoned: false },
        resolve: resolve as (value: unknown) => void,
      };
      signal?.addEventListener("abort", () => this.#abandon(pending, signal.reason), { once: true });
      if (this.#pending.length === 0) this.#socket.ref();
      this.#pending.push(pending);
      this.#write(request.parts);
    });
  }

  close(): void {
    this.#break("it was closed by this process");
  }

  /** What is sent in one turn of the event loop leaves in one system call. */
  #write(parts: readonly Uint8Array[]): void {
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      process.nextTick(() => {
        this.#corked = false;
        this.#socket.uncork();
      });
    }
    for (const part of parts) if (part.byteLength > 0) this.#socket.write(part);
  }

  #readTarget(): Uint8Array {
    const need = this.#need;
    return need instanceof Uint8Array && need.byteLength - this.#done >= SCRATCH_BYTES
      ? need.subarray(this.#done)
      : this.#scratch;
  }

  /** `count` bytes have come, into the scratch or into the very memory that is needed. */
  #take(buffer: Uint8Array, count: number): void {
    try {
      if (buffer === this.#scratch) this.#consume(count);
      else if (typeof this.#need === "object" && (this.#done += count) === this.#need.byteLength)
        this.#resume("");
    } catch (error) {
      this.#break(error instanceof Error ? error.message : String(error), wrongServer);
    }
  }

  #consume(count: number): void {
    for (let at = 0; at < count && this.#failure === undefined;) {
      const need = this.#need;
      if (need === "line") {
        const end = this.#scratch.indexOf(LF, at);
        const whole = end >= 0 && end < count;
        this.#line += this.#scratch.toString("latin1", at, whole ? end : count);
        if (this.#line.length > MAX_LINE_BYTES) throw new Error("a line without end came");
        if (!whole) return;
        at = end + 1;
        const line = this.#line.endsWith("\r") ? this.#line.slice(0, -1) : this.#line;
        this.#line = "";
        this.#resume(line);
      } else {
        const size = typeof need === "number" ? need : need.byteLength;
        const length = Math.min(count - at, size - this.#done);
        if (typeof need !== "number") need.set(this.#scratch.subarray(at, at + length), this.#done);
        at += length;
        this.#done += length;
        if (this.#done === size) this.#resume("");
      }
    }
  }

  /** What was needed is there. */
  #resume(line: string): void {
    for (;;) {
      let next: IteratorResult<Need, unknown>;
      try {
        next = (this.#reader ??= this.#begin(line)).next(line);
      } catch (error) {
        if (!(error instanceof SltrainError)) throw error;
        this.#end(({ reject }) => reject(error));
        return;
      }
      if (next.done === true) {
        this.#end(({ resolve }) => resolve(next.value));
        return;
      }
      this.#need = next.value;
      this.#done = 0;
      const size = typeof next.value === "number" ? next.value : next.value.length;
      if (next.value === "line" || size > 0) return;
    }
  }

  #begin(line: string): Generator<Need, unknown, string> {
    const unasked = this.#events.unasked?.(line);
    if (unasked !== undefined) return unasked;
    const [pending] = this.#pending;
    if (pending === undefined)
      throw new Error(`an answer came to no request: ${JSON.stringify(line.slice(0, 80))}`);
    this.#reading = pending;
    return pending.request.read(line, pending);
  }

  #end(settle: (pending: Pending) => void): void {
    const ended = this.#reading;
    this.#reader = undefined;
    this.#reading = undefined;
    this.#need = "line";
    if (ended === undefined) return;
    this.#pending.shift();
    if (this.#pending.length === 0) this.#socket.unref();
    settle(ended);
  }

  #abandon(pending: Pending, reason: unknown): void {
    pending.abandoned = true;
    if (this.#reading !== pending || typeof this.#need !== "object") {
      pending.reject(reason);
      return;
    }
    // The kernel may be writing there: the end of the body is waited for, or that of the connection.
    const { reject } = pending;
    pending.resolve = pending.reject = () => reject(reason);
    setTimeout(() => {
      if (this.#reading === pending) this.#break("a reply that nobody waits for did not end");
    }, ABANDONED_MS).unref();
  }

  #stalled(): void {
    if (this.#pending.length > 0) this.#break(`nothing moved for ${STALL_MS} ms`);
  }

  #break(reason: string, kind: Breakage = gone): void {
    if (this.#failure !== undefined) return;
    this.#failure = this.#broken("connect", reason, kind);
    this.#socket.destroy();
    for (const { request, reject } of this.#pending.splice(0)) {
      reject(this.#broken(request.name, reason, kind));
    }
    this.#events.lost?.();
  }

  #broken(name: string, reason: string, { code, suggestions, retryable }: Breakage): SltrainError {
    const { host, port } = this.#address;
    return new SltrainError({
      ...{ code, suggestions, retryable },
      message: `storage ${name}: expected an answer of ${host}:${port}, but got: ${reason}`,
    });
  }
}
