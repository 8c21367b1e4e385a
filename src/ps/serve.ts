// `sltrain ps serve`: one parameter server from its start to the signal that ends it.

import { randomBytes } from "node:crypto";
import { isIP } from "node:net";
import type { ServerReport } from "../allreduce/ps/protocol.ts";
import { SltrainError } from "../errors.ts";
import type { RunEvent } from "./routes.ts";
import { startParameterServer } from "./server.ts";

const TOKEN_BYTES = 24;

/** What a server tells, in order; `--json` prints these, one per line: docs/json.md. */
export type ServerEvent =
  | {
      readonly event: "server.listening";
      readonly uri: string;
      readonly memoryBytes: number;
      /** Only one that was made here: whoever gave one has it. */
      readonly token?: string;
    }
  | RunEvent
  | ({ readonly event: "server.stopped" } & ServerReport);

export interface ServeOptions {
  readonly host: string;
  readonly port: number;
  readonly token: string | undefined;
  readonly memoryBytes: number;
  readonly onEvent: (event: ServerEvent) => void;
  /** Its abort ends the server. */
  readonly signal: AbortSignal;
}

/** Resolves when the server has ended. Throws SltrainError "token-missing", or "ps-listen". */
export async function serve({ host, token, onEvent, signal, ...options }: ServeOptions): Promise<void> {
  if (token === undefined && !isLoopback(host)) {
    throw new SltrainError({
      code: "token-missing",
      message: `parameter server: expected a token for --host ${host}, which others can reach, but got none`,
      suggestions: [
        "Set SLTRAIN_PS_TOKEN here and for the workers, to the output of `openssl rand -hex 24`.",
      ],
    });
  }
  const made = token === undefined ? { token: randomBytes(TOKEN_BYTES).toString("base64url") } : {};
  const server = await startParameterServer({
    ...options,
    host,
    token: token ?? made.token!,
    onRun: onEvent,
  });
  const name = isIP(host) === 6 ? `[${host}]` : host;
  const { memoryBytes } = options;
  onEvent({ event: "server.listening", uri: `ps://${name}:${server.port}`, memoryBytes, ...made });
  if (!signal.aborted) {
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  }
  await server.close();
  onEvent({ event: "server.stopped", ...server.report() });
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}
