// One connection at a time to one server: opened when it is first needed, and anew by the first call after it broke. It
// never repeats a request.

import type { Connection, Request } from "./connection.ts";

export class Lane {
  readonly #open: () => Promise<Connection>;
  #connection: Connection | undefined;
  #opening: Promise<Connection> | undefined;

  /** `open` includes the handshake of the protocol. */
  constructor(open: () => Promise<Connection>) {
    this.#open = open;
  }

  /** See `Connection.send`. */
  send<T>(request: Request<T>, signal?: AbortSignal): Promise<T> {
    if (this.#connection?.broken === false) return this.#connection.send(request, signal);
    this.#opening ??= this.#reopen();
    return unlessAborted(this.#opening, signal).then((connection) => connection.send(request, signal));
  }

  async #reopen(): Promise<Connection> {
    try {
      this.#connection = await this.#open();
      return this.#connection;
    } finally {
      this.#opening = undefined;
    }
  }

  async close(): Promise<void> {
    await this.#opening?.catch(() => undefined); // whoever asked for it has been told
    this.#connection?.close();
  }
}

/** `promise`, or the reason of `signal` if that is aborted first. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
