// What carries the SDK's requests, instead of its own handler: Node's HTTP client over kept connections. Bodies leave
// from the caller's memory, in as many pieces as they lie there, and answers are read into it, without a copy between:
// https://smithy.io/2.0/languages/typescript/sdk-architecture.html (request handlers).

import * as http from "node:http";
import * as https from "node:https";
import { Readable } from "node:stream";
import type { HttpHandlerOptions } from "@smithy/types";
import { SltrainError } from "../../errors.ts";
import { totalBytes } from "../parts.ts";

const MAX_CONNECTIONS = 64;
/** Without a byte in either direction for so long, the peer is taken for gone. */
const IDLE_TIMEOUT_MS = 20_000;

/** A body in pieces that only `Transport` can read. */
class Pieces {
  readonly pieces: readonly Uint8Array[];
  /** The SDK makes the content length of it. */
  readonly byteLength: number;

  constructor(pieces: readonly Uint8Array[]) {
    this.pieces = pieces;
    this.byteLength = totalBytes(pieces);
  }
}

/**
 * A streaming command's body: `pieces` joined, not copied, and not read after the request has ended. They may view WASM
 * or shared memory. The SDK signs no body that it cannot read, which is meant: to hash it would cost 1 ms a MB, TLS
 * guards it on its way, and frames carry checksums.
 */
export function bodyOf(pieces: readonly Uint8Array[]): Readable {
  return new Pieces(pieces) as unknown as Readable;
}

/** For `client.send(command, options)`. */
export interface TransportOptions extends HttpHandlerOptions {
  /**
   * Where a streamed answer with status 2xx goes: exactly `sizeBytes` bytes. The command's own output has none then.
   * What it throws rejects the request.
   */
  readonly destination?: (sizeBytes: number) => Uint8Array;
}

/** A signed request of the SDK's. */
interface Request {
  readonly method: string;
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
  readonly query: Readonly<Record<string, string | readonly string[] | null>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Pieces | Uint8Array | string;
}

interface Response {
  readonly statusCode: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Uint8Array | Readable;
}

/** A request handler of the SDK's, for any number of its clients. */
export class Transport {
  readonly #plain = new http.Agent({ keepAlive: true, maxSockets: MAX_CONNECTIONS });
  readonly #secure = new https.Agent({ keepAlive: true, maxSockets: MAX_CONNECTIONS });

  /** Any status is an answer; rejects with the system's error, or "storage-unreachable" after a silence. */
  handle(
    { method, protocol, hostname, port, path, query, headers, body }: Request,
    { destination }: TransportOptions = {},
  ): Promise<{ response: Response }> {
    const [transport, agent] = protocol === "http:" ? [http, this.#plain] : [https, this.#secure];
    return new Promise((resolve, reject) => {
      const request = transport.request({
        ...{ agent, host: hostname, port, method, headers, timeout: IDLE_TIMEOUT_MS },
        path: path + queryString(query),
      });
      request.on("error", reject);
      request.once("timeout", () => request.destroy(silence(method, hostname)));
      request.once("response", (response) => {
        receive(response, destination)
          .then((answer) => resolve({ response: answer }), reject)
          // An answer before the body was read, or one that nobody wants: the connection must not read on.
          .finally(() => {
            if (!request.writableFinished || !response.complete) request.destroy();
          });
      });
      if (body instanceof Pieces) {
        for (const piece of body.pieces) if (piece.byteLength > 0) request.write(piece);
        request.end();
      } else {
        request.end(body);
      }
    });
  }

  destroy(): void {
    this.#plain.destroy();
    this.#secure.destroy();
  }
}

async function receive(
  response: http.IncomingMessage,
  destination: TransportOptions["destination"],
): Promise<Response> {
  const { statusCode = 0, headers } = response;
  if (destination === undefined || statusCode >= 300) {
    return { statusCode, headers, body: await collect(response) };
  }
  const length = headers["content-length"];
  if (length === undefined) {
    const bytes = await collect(response);
    destination(bytes.byteLength).set(bytes);
  } else {
    await readInto(response, destination(Number(length)));
  }
  return { statusCode, headers, body: DELIVERED };
}

/** What the SDK is shown of a body that lies in its destination. */
const DELIVERED = Readable.from([]);

function readInto(response: http.IncomingMessage, destination: Uint8Array): Promise<void> {
  let received = 0;
  return new Promise((resolve, reject) => {
    response.once("error", reject);
    response.on("data", (chunk: Uint8Array) => {
      destination.set(chunk, received);
      received += chunk.byteLength;
    });
    response.once("end", resolve);
  });
}

function collect(response: http.IncomingMessage): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  return new Promise((resolve, reject) => {
    response.once("error", reject);
    response.on("data", (chunk: Uint8Array) => chunks.push(chunk));
    response.once("end", () => resolve(Buffer.concat(chunks)));
  });
}

function queryString(query: Request["query"]): string {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    [value ?? ""].flat().map((item) => `${encodeURIComponent(name)}=${encodeURIComponent(item)}`),
  );
  return pairs.length === 0 ? "" : `?${pairs.join("&")}`;
}

function silence(method: string, host: string): SltrainError {
  return new SltrainError({
    code: "storage-unreachable",
    message: `${method}: expected an answer from ${host}, but got nothing for ${IDLE_TIMEOUT_MS / 1000} s`,
    retryable: true,
  });
}
