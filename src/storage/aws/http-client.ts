// Requests with Node's own HTTP client over kept connections: bodies are written from the caller's memory and answers
// read into it, without a copy in between. Loading it costs a cold start 10 ms; undici costs 57 and the SDK 90.

import * as http from "node:http";
import * as https from "node:https";
import { SltrainError } from "../../errors.ts";
import { totalBytes } from "../parts.ts";

const MAX_CONNECTIONS = 64;
/** Without a byte in either direction for so long, the peer is taken for gone. */
const IDLE_TIMEOUT_MS = 20_000;

export interface HttpRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Not copied, and not read after the promise settles. May view WASM or shared memory. */
  readonly body?: readonly Uint8Array[];
  /** Where an answer with status 2xx of `sizeBytes` goes: exactly so many bytes. What it throws rejects the request. */
  readonly destination?: (sizeBytes: number) => Uint8Array;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Uint8Array;
}

export class HttpClient {
  readonly #transport: typeof http | typeof https;
  readonly #agent: http.Agent;
  readonly #address: { readonly host: string; readonly port: string };

  /** For the host of `endpoint`; its path is not used. */
  constructor(endpoint: URL) {
    this.#transport = endpoint.protocol === "https:" ? https : http;
    const options = { keepAlive: true, maxSockets: MAX_CONNECTIONS };
    this.#agent = new this.#transport.Agent(options);
    this.#address = { host: endpoint.hostname, port: endpoint.port };
  }

  /** Any status is an answer; rejects with the system's error, or "storage-unreachable" after a silence. */
  send({ method, path, headers, body = [], destination }: HttpRequest): Promise<HttpResponse> {
    const sizeBytes = totalBytes(body);
    const hasBody = method === "PUT" || method === "POST";
    return new Promise((resolve, reject) => {
      const request = this.#transport.request({
        ...{ ...this.#address, agent: this.#agent, timeout: IDLE_TIMEOUT_MS },
        ...{ method, path },
        headers: hasBody ? { ...headers, "content-length": sizeBytes } : headers,
      });
      request.once("error", reject);
      request.once("timeout", () => request.destroy(silence(method)));
      request.once("response", (response) => {
        receive(response, destination)
          .then(resolve, reject)
          // An answer before the body was read, or one that nobody wants: the connection must not read on.
          .finally(() => {
            if (!request.writableFinished || !response.complete) request.destroy();
          });
      });
      for (const part of body) if (part.byteLength > 0) request.write(part);
      request.end();
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

function receive(
  response: http.IncomingMessage,
  destination: HttpRequest["destination"],
): Promise<HttpResponse> {
  const { statusCode: status = 0, headers } = response;
  const length = headers["content-length"];
  return new Promise((resolve, reject) => {
    response.once("error", reject);
    if (destination === undefined || length === undefined || status >= 300) {
      const chunks: Uint8Array[] = [];
      response.on("data", (chunk: Uint8Array) => chunks.push(chunk));
      response.once("end", () => resolve({ status, headers, body: Buffer.concat(chunks) }));
      return;
    }
    const body = destination(Number(length));
    let received = 0;
    response.on("data", (chunk: Uint8Array) => {
      body.set(chunk, received);
      received += chunk.byteLength;
    });
    response.once("end", () => resolve({ status, headers, body }));
  });
}

function silence(method: string): SltrainError {
  return new SltrainError({
    code: "storage-unreachable",
    message: `${method}: expected an answer, but got nothing for ${IDLE_TIMEOUT_MS / 1000} s`,
    retryable: true,
  });
}
