// The parameter server: HTTP around `Runs`. Routes and meanings are in allreduce/ps/protocol.ts.

import { createHash, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { RUN_FORGOTTEN, type ServerReport } from "../allreduce/ps/protocol.ts";
import { errorRecord, SltrainError } from "../errors.ts";
import { loadZstd } from "../shard/zstd.ts";
import { Routes, type RunEvent } from "./routes.ts";

/** Workers compute between two rounds; a connection that was given up meanwhile would cost them a new one. */
const KEEP_ALIVE_MS = 120_000;

export interface ParameterServerOptions {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  readonly token: string;
  readonly memoryBytes: number;
  readonly onRun: (event: RunEvent) => void;
}

export interface RunningServer {
  readonly host: string;
  readonly port: number;
  report(): ServerReport;
  /** Ends all connections at once. */
  close(): Promise<void>;
}

const STATUS: Readonly<Record<string, number>> = {
  "ps-unauthorized": 401,
  "route-unknown": 404,
  [RUN_FORGOTTEN]: 409,
  "run-differs": 409,
  "mean-forgotten": 410,
  "ps-full": 507,
};
const BAD_REQUEST = 400;

/** Throws SltrainError "ps-listen" if host or port cannot be had. */
export async function startParameterServer(options: ParameterServerOptions): Promise<RunningServer> {
  const routes = new Routes(options.memoryBytes, options.onRun, await loadZstd());
  const tokenHash = sha256(`Bearer ${options.token}`);
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    try {
      // Hashes have one length, and tell nothing by the time that it takes to compare them.
      if (!timingSafeEqual(sha256(request.headers.authorization ?? ""), tokenHash)) throw unauthorized();
      await routes.answer(request, response);
    } catch (error) {
      answerError(request, response, error);
    }
  };
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) => {
    void handle(request, response);
  });
  await listen(server, options);
  return {
    host: options.host,
    port: (server.address() as AddressInfo).port,
    report: () => routes.report(),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, { host, port }: ParameterServerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause) =>
      reject(
        new SltrainError({
          code: "ps-listen",
          message: `parameter server: expected to listen on ${host}:${port}, but got ${cause.message}`,
          cause,
          suggestions: ["Choose another --port (0: any that is free), or a --host that this machine has."],
        }),
      ),
    );
    server.listen(port, host, resolve);
  });
}

function answerError(request: IncomingMessage, response: ServerResponse, error: unknown): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  // The body of what is refused is read to its end: the client reads no answer before it has sent it.
  request.resume();
  const record = errorRecord(error, "internal");
  const unexpected = error instanceof SltrainError ? BAD_REQUEST : 500;
  const status = STATUS[record.code] ?? unexpected;
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(record));
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

function unauthorized(): SltrainError {
  return new SltrainError({
    code: "ps-unauthorized",
    message: "expected this server's token, but got another one or none",
    suggestions: ["Set SLTRAIN_PS_TOKEN to the token that `sltrain ps serve` printed or was given."],
  });
}
