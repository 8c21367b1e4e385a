// Lambda's Runtime API, by which a function's process asks for its events:
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html. Each sandbox has an address of its own. One HTTP server
// serves all of them: what listens for a sandbox is a bare socket, a few kilobytes.

import type { Server, ServerResponse } from "node:http";
import { type AddressInfo, createServer as createListener, type Socket } from "node:net";
import { buffer } from "node:stream/consumers";
import { answerByRoutes, answerJson, type Call, route } from "../../http-routes.ts";
import { createServer } from "../../node-http.ts";
import { MAX_SYNC_BYTES } from "./payload-limits.ts";

/** What the runtime of one sandbox tells. */
export interface RuntimePeer {
  /** It is free: `deliver` answers it with an event, once. */
  next(deliver: (delivery: Delivery) => void): void;
  responded(requestId: string, payload: Uint8Array): void;
  /** The handler threw, or its answer was refused as too large. */
  failed(requestId: string, error: Uint8Array): void;
  /** The code could not be loaded; the process ends next. */
  initFailed(error: Uint8Array): void;
}

export interface Delivery {
  readonly requestId: string;
  readonly payload: Uint8Array;
  /** Since 1970, as the function's clock has it. */
  readonly deadlineMs: number;
  readonly functionArn: string;
}

export interface RuntimeEndpoint {
  /** `host:port`, AWS_LAMBDA_RUNTIME_API. */
  readonly address: string;
  /** Called before any process is told the address. */
  serve(peer: RuntimePeer): void;
  close(): void;
}

const HOST = "127.0.0.1";
const VERSION = "/2018-06-01/runtime";

export class RuntimeApi {
  readonly #peers = new WeakMap<Socket, RuntimePeer>();
  readonly #server: Server;

  constructor() {
    const invocation = `${VERSION}/invocation`;
    const routes = [
      route("GET", `${invocation}/next`, (call) => this.#next(call)),
      route("POST", `${invocation}/:requestId/response`, (call) => this.#responded(call)),
      route("POST", `${invocation}/:requestId/error`, async (call) => {
        const error = await buffer(call.request);
        this.#peer(call).failed(call.path.requestId!, error);
        accepted(call.response);
      }),
      route("POST", `${VERSION}/init/error`, async (call) => {
        const error = await buffer(call.request);
        this.#peer(call).initFailed(error);
        accepted(call.response);
      }),
    ];
    // A handler may compute for minutes between two requests on one connection.
    this.#server = createServer({ keepAliveTimeout: 0, requestTimeout: 0 }, (request, response) => {
      void answerByRoutes(routes, request, response)
        .then((answered) => {
          if (!answered) answerJson(response, { errorType: "Runtime.UnknownRoute" }, 404);
        })
        // The process has ended in the middle of a request, and its sandbox knows.
        .catch(() => response.destroy());
    });
  }

  /** An address that only this sandbox's process is told. */
  async open(): Promise<RuntimeEndpoint> {
    const sockets = new Set<Socket>();
    let peer: RuntimePeer | undefined;
    const listener = createListener({ noDelay: true }, (socket) => {
      if (peer === undefined) return socket.destroy();
      this.#peers.set(socket, peer);
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
      this.#server.emit("connection", socket);
    });
    await new Promise<void>((resolve, reject) => {
      listener.once("error", reject);
      listener.listen(0, HOST, resolve);
    });
    return {
      address: `${HOST}:${(listener.address() as AddressInfo).port}`,
      serve: (sandbox) => (peer = sandbox),
      close: () => {
        listener.close();
        for (const socket of sockets) socket.destroy();
      },
    };
  }

  #peer({ request }: Call): RuntimePeer {
    return this.#peers.get(request.socket)!;
  }

  #next(call: Call): void {
    this.#peer(call).next(({ requestId, payload, deadlineMs, functionArn }) => {
      call.response.writeHead(200, {
        "content-type": "application/json",
        "content-length": payload.byteLength,
        "Lambda-Runtime-Aws-Request-Id": requestId,
        "Lambda-Runtime-Deadline-Ms": String(Math.round(deadlineMs)),
        "Lambda-Runtime-Invoked-Function-Arn": functionArn,
      });
      call.response.end(payload);
    });
  }

  async #responded(call: Call): Promise<void> {
    const payload = await buffer(call.request);
    const requestId = call.path.requestId!;
    if (payload.byteLength > MAX_SYNC_BYTES) {
      const error = {
        errorType: "Function.ResponseSizeTooLarge",
        errorMessage: `Response payload size exceeded maximum allowed payload size (${MAX_SYNC_BYTES} bytes).`,
      };
      this.#peer(call).failed(requestId, new TextEncoder().encode(JSON.stringify(error)));
      answerJson(call.response, error, 413);
      return;
    }
    this.#peer(call).responded(requestId, payload);
    accepted(call.response);
  }
}

function accepted(response: ServerResponse): void {
  answerJson(response, { status: "OK" }, 202);
}
